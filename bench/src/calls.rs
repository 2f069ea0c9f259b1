//! One call after another, for what their bills say: how long the store, the instance and the call took, without HTTP.

use anyhow::{Context as _, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::figures::median;
use crate::load::{BODY, answer};
use crate::subjects::Listening;

/// The median of `wall-us` over the bills of so many calls, in microseconds.
pub(crate) fn billed_us(at: &Listening, calls: usize) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let billed = runtime.block_on(bills(at, calls))?;
    Ok(median(billed))
}

async fn bills(at: &Listening, calls: usize) -> anyhow::Result<Vec<f64>> {
    let Listening { address, path, key } = at;
    let key = key.as_deref().context("a subject without a key")?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut buffer, mut billed) = (vec![0; 16 << 10], Vec::new());
    for _ in 0..calls {
        stream.write_all(request.as_bytes()).await?;
        let (head, body) = answer(&mut stream, &mut buffer).await?;
        ensure!(body == BODY.as_bytes(), "an answer was wrong");
        let head = std::str::from_utf8(head)?.to_ascii_lowercase();
        let bill =
            head.lines().find_map(|line| line.strip_prefix("insula-bill:")).context("an answer without a bill")?;
        let wall = bill.split([';', ',']).find_map(|part| part.trim().strip_prefix("wall-us="));
        billed.push(wall.context("a bill without wall-us")?.parse()?);
    }
    Ok(billed)
}
