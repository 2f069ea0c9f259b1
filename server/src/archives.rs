//! `/v1/tenants/{tenant}/export` and `/v1/tenants/import`: a tenant as a stream of bytes, and a tenant made of one.
//!
//! An export is never whole in memory: a few chunks wait for the client, and who wants no more of it ends it. An import
//! goes to the runtime frame by frame; one that breaks off leaves nothing (B3).

use std::io::{self, Write};

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use insula_runtime::{ARCHIVE_BYTES, ControlError, Imported, TenantName};
use insula_tenancy::TenantId;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Operator;
use crate::body::{BodyError, BodyReader};
use crate::input::{Params, TenantPath, name};
use crate::problem::Problem;
use crate::tenants::TenantView;

/// The media type of an archive.
const ARCHIVE: &str = "application/vnd.insula.archive";
/// How much of an export is handed on at a time, in bytes.
const CHUNK: usize = 64 << 10;
/// How many chunks wait for the client.
const CHUNKS: usize = 8;

/// What a new tenant is to be called.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportParams {
    /// 1 to 63 of a-z, 0-9 and `-`, unique on the host.
    name: String,
}

/// A tenant that was made of an archive.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ImportedTenant {
    /// Its first key, which may do everything. It is shown this once.
    key: String,
    /// The tenant that the archive was made of.
    #[schema(value_type = String)]
    from: TenantId,
    /// Agents that it has now.
    agents: u64,
    /// Versions of all of them.
    versions: u64,
    /// Components: versions may share one.
    components: u64,
    /// Keys in storage.
    entries: u64,
    /// The rest.
    #[serde(flatten)]
    tenant: TenantView,
}

impl From<Imported> for ImportedTenant {
    fn from(imported: Imported) -> Self {
        let totals = imported.totals;
        Self {
            key: imported.key,
            from: imported.from,
            agents: totals.agents,
            versions: totals.versions,
            components: totals.components,
            entries: totals.entries,
            tenant: imported.tenant.into(),
        }
    }
}

/// Hands what is written to the answer, a chunk at a time. Blocks while the client is slower.
struct ToClient {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl ToClient {
    fn send(&mut self) -> io::Result<()> {
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        self.chunks.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for ToClient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.send() }
    }
}

/// Exports a tenant: all that it keeps, as of one instant. Whole only if it ends with its end frame. Operators only.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/export", tag = "operator", operation_id = "export_tenant",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, description = "The archive", body = inline(Vec<u8>), content_type = "application/vnd.insula.archive")))]
pub(crate) async fn export(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
) -> Result<Response, Problem> {
    let (sender, mut chunks) = mpsc::channel(CHUNKS);
    let (control, failed) = (app.runtime.control(), sender.clone());
    let export = tokio::spawn(async move {
        let sink = ToClient { chunks: sender, buffer: Vec::with_capacity(CHUNK) };
        match control.export(&by, tenant, sink).await {
            Ok(_) => Ok(()),
            Err(error) => {
                // An answer that has begun breaks off: nobody takes it for a whole one. One that has not is a problem.
                let broken = failed.send(Err(io::Error::other("the export failed"))).await;
                tracing::warn!(%error, %tenant, told = broken.is_ok(), "an export did not come to its end");
                Err(error)
            }
        }
    });
    match chunks.recv().await {
        Some(Ok(first)) => Ok(answer(first, chunks)),
        Some(Err(_)) | None => match export.await {
            Ok(Err(error)) => Err(error.into()),
            _ => Err(ControlError::Interrupted.into()),
        },
    }
}

fn answer(first: Bytes, chunks: mpsc::Receiver<io::Result<Bytes>>) -> Response {
    let chunks = stream::unfold((Some(Ok(first)), chunks), |(first, mut chunks)| async move {
        let chunk = match first {
            Some(first) => first,
            None => chunks.recv().await?,
        };
        Some((chunk, (None, chunks)))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(ARCHIVE));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Makes a tenant of an archive, with a new id and a first key. Operators only.
#[utoipa::path(post, path = "/v1/tenants/import", tag = "operator", operation_id = "import_tenant", params(ImportParams),
    request_body(content = inline(Vec<u8>), content_type = "application/vnd.insula.archive", description = "An archive"),
    responses((status = 201, description = "The tenant and its key", body = ImportedTenant)))]
pub(crate) async fn import(
    State(app): State<App>,
    Operator(by): Operator,
    Params(params): Params<ImportParams>,
    request: Request,
) -> Result<Response, Problem> {
    let tenant: TenantName = name(&params.name)?;
    let (parts, body) = request.into_parts();
    archive_only(&parts.headers)?;
    let mut reader = BodyReader::new(body, ARCHIVE_BYTES, app.upload).map_err(refused)?;
    let control = app.runtime.control();
    let mut upload = control.begin_import(&by).await?;
    while let Some(bytes) = reader.next().await.map_err(refused)? {
        upload.write(&bytes)?;
    }
    let imported = control.import(by, tenant, upload.read()?).await?;
    Ok((StatusCode::CREATED, Json(ImportedTenant::from(imported))).into_response())
}

/// A body that is too large has the runtime's word for it, whoever noticed first.
fn refused(error: BodyError) -> Problem {
    match error {
        BodyError::TooLarge { limit } => ControlError::ArchiveTooLarge { limit }.into(),
        other => other.into(),
    }
}

/// An archive says what it is.
fn archive_only(headers: &HeaderMap) -> Result<(), Problem> {
    let stated = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if stated.trim().eq_ignore_ascii_case(ARCHIVE) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "send the archive with `Content-Type: application/vnd.insula.archive`",
    ))
}
