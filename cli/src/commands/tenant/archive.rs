//! `insula tenant export` and `insula tenant import`: a tenant to a file, and a new tenant of one.
//!
//! What is exported is written beside its place and gets its name when it is whole: a name stands for a whole archive.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use insula_runtime::TenantName;
use serde_json::json;

use super::{One, resolve};
use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::failure::{Explain, Failure};
use crate::terminal::{self, Terminal, bold, dim};
use crate::wire;

/// The media type of an archive.
const ARCHIVE: &str = "application/vnd.insula.archive";
/// What to do about a file that is in the way.
const ANOTHER: &str = "give another FILE, or remove this one first";

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    one: One,
    /// The file to write, which must not be there yet
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// An archive that `insula tenant export` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the new tenant is called: 1 to 63 of a-z, 0-9 and `-`
    #[arg(long, value_name = "NAME")]
    name: TenantName,
    #[command(flatten)]
    connection: Connection,
}

/// A file that is not whole yet. Dropped, it is removed.
struct Unfinished {
    path: PathBuf,
    kept: bool,
}

impl Unfinished {
    fn keep(mut self, name: &Path) -> io::Result<()> {
        // A link, and not a rename: it never takes the place of what came there meanwhile.
        fs::hard_link(&self.path, name)?;
        self.kept = true;
        fs::remove_file(&self.path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.kept {
            // Where it cannot be removed it is plain to see, by its name.
            drop(fs::remove_file(&self.path));
        }
    }
}

pub(super) fn export(args: &Export, terminal: &Terminal) -> anyhow::Result<()> {
    if args.output.exists() {
        return Err(Failure::usage(format_args!("{} is there already", args.output.display())).advise(ANOTHER).into());
    }
    let client = Client::new(&args.one.connection.target(Role::Operator)?);
    let tenant = resolve(&client, &args.one.tenant)?;
    let mut name = args.output.clone().into_os_string();
    name.push(".unfinished");
    let path = PathBuf::from(name);
    let open = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let advice = "see that the folder is there and may be written to";
    let mut file = open().explain(format_args!("cannot write {}", path.display()), advice)?;
    let unfinished = Unfinished { path: path.clone(), kept: false };
    let progress = terminal.progress(&format!("exporting {tenant} from {}", client.url()));
    let bytes = client.download(&client::path(&["tenants", &tenant, "export"]), &mut file)?;
    drop(progress);
    file.sync_all()?;
    unfinished.keep(&args.output).explain(format_args!("cannot write {}", args.output.display()), ANOTHER)?;
    if terminal.is_json() {
        terminal.json(&json!({"tenant": tenant, "bytes": bytes, "file": args.output}));
        return Ok(());
    }
    terminal.say(format_args!("{} {}", bold(args.output.display()), dim(terminal::bytes(bytes))));
    Ok(())
}

pub(super) fn import(args: &Import, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Operator)?);
    let what = format!("cannot read the archive {}", args.file.display());
    let file = File::open(&args.file).explain(what, "give a file that `insula tenant export` wrote")?;
    let progress = terminal.progress(&format!("importing {} to {}", args.name, client.url()));
    let path = format!("{}?name={}", client::path(&["tenants", "import"]), client::encode(args.name.as_str()));
    let answer = client.upload(&path, ARCHIVE, &file);
    drop(progress);
    let answer = answer?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let made: wire::ImportedTenant = client::read(&answer)?;
    terminal.say(format_args!("{} {}", bold(&args.name), dim("(the key is shown once)")));
    terminal.say_all(&terminal::facts([
        ("tenant", made.tenant),
        ("key", made.key),
        ("from", made.from),
        ("agents", made.agents.to_string()),
        ("versions", made.versions.to_string()),
        ("keys in storage", made.entries.to_string()),
    ]));
    Ok(())
}
