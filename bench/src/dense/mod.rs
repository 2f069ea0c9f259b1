//! `dense`: many tenants with an agent each on one host, which is the real binary, `insula serve`: what one costs that is
//! registered and idle, how the host starts, what a first call costs, and whether calls cost more when there are many.
//!
//! Every agent came by a deploy of the product, through the compile worker. Nothing of an upload is shared between tenants, so
//! that each has an artefact of its own; the components differ by a custom section. The host runs with standard settings.

mod fill;
mod growth;
mod report;
mod served;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use self::fill::{Filled, Guest};
use self::report::{Report, Row, percentile};
use self::served::{Client, Served};
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Tenants, with an agent each.
    #[arg(long, default_value_t = 10_000)]
    tenants: usize,
    /// Tenants of the host beside it, to which the cost of a call is compared.
    #[arg(long, default_value_t = 10)]
    few: usize,
    /// Rounds of starts, of Python's first calls, of uploads and of calls on both hosts, interleaved.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Calls of a round, in blocks of 1,000.
    #[arg(long, default_value_t = 10_000)]
    calls: usize,
    /// Some tenants and calls, and no Python: to see that all of it works, and for no figure.
    #[arg(long)]
    smoke: bool,
    /// The `insula` binary; without it, the one beside this program.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where the filled data directories stay, to be used again; without it they are temporary.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

/// What one run needs.
struct Bench {
    binary: PathBuf,
    folder: PathBuf,
    few: Filled,
    many: Filled,
    rounds: usize,
    calls: usize,
    report: Report,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => std::env::current_exe()?.with_file_name("insula"),
    };
    ensure!(binary.exists(), "{} is not there: build it with `cargo build --release`", binary.display());
    let (tenants, few, rounds, calls) =
        if options.smoke { (20, 5, 1, 100) } else { (options.tenants, options.few, options.rounds, options.calls) };
    let temporary = tempfile::tempdir()?;
    let folder = options.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let echo = guest("tests/echo", false)?;
    let mut guests = vec![Guest { name: "javascript", component: guest("bench/guests/javascript", true)? }];
    if !options.smoke {
        guests.push(Guest { name: "python", component: guest("bench/guests/python", true)? });
    }
    let few = fill::directory(&folder.join("few"), few, &echo, &[])?;
    let many = fill::directory(&folder.join("many"), tenants, &echo, &guests)?;
    let report = Report::new(tenants, few.keys.len(), rounds, calls);
    let mut bench = Bench { binary, folder, few, many, rounds: rounds.max(1), calls, report };
    bench.disk();
    bench.starts()?;
    if !options.smoke {
        bench.python()?;
    }
    bench.calls()?;
    bench.idle()?;
    if options.json {
        output::line(&serde_json::to_string_pretty(&bench.report)?);
    } else {
        bench.report.print();
    }
    Ok(())
}

/// Builds a guest.
fn guest(path: &str, packages: bool) -> anyhow::Result<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if packages {
        output::progress(&format!("{path}: packages"));
        insula_cli::install(&folder, true)?;
    }
    output::progress(&format!("{path}: build"));
    Ok(std::fs::read(insula_cli::build(&folder, true)?)?)
}

impl Bench {
    fn serve(&self, name: &str) -> anyhow::Result<Served> {
        Served::start(&self.binary, &self.folder.join(name).join("data"), None)
    }

    /// What is on disk.
    fn disk(&mut self) {
        let Filled { registered, own_files, with_agents, deploys_a_second, .. } = &self.many;
        let tenants = number(self.many.keys.len());
        self.report.row(Row::new(
            "registered tenant, files of its own before its first write",
            "files",
            *own_files,
            100.0,
            0.0,
        ));
        self.report.row(Row::new(
            "registered tenant, disk (its rows in the catalog)",
            "KiB",
            registered / tenants / 1024.0,
            100.0,
            100.0,
        ));
        self.report.fact("a tenant with an agent, disk", "KiB", with_agents / tenants / 1024.0);
        self.report.fact("deploys of different components, each compiled", "1/s", *deploys_a_second);
    }

    /// Starts of both hosts, in turns, and what they hold when nobody calls.
    fn starts(&mut self) -> anyhow::Result<()> {
        let (mut starts, mut resident, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let few = self.serve("few")?;
            let many = self.serve("many")?;
            std::thread::park_timeout(Duration::from_millis(500));
            starts.push(many.took.as_secs_f64());
            resident.push(many.resident_kib()?);
            beside.push(few.resident_kib()?);
        }
        let (start, resident, beside) = (median(&mut starts), median(&mut resident), median(&mut beside));
        let more = number(self.many.keys.len().saturating_sub(self.few.keys.len()).max(1));
        self.report.row(Row::new("registered idle tenant, resident", "KiB", (resident - beside) / more, 2.0, 1.0));
        self.report.row(Row::new("start with all tenants, until it answers", "s", start, 5.0, 1.0));
        self.report.row(Row::new("resident with all tenants, none called", "MiB", resident / 1024.0, 200.0, 80.0));
        Ok(())
    }

    /// First calls of the Python agent, each on a host that has just started and served one other tenant.
    fn python(&mut self) -> anyhow::Result<()> {
        let mut first = Vec::new();
        for _ in 0..self.rounds {
            let host = self.serve("many")?;
            let mut client = Client::connect(host.address)?;
            client.call(self.many.key(0)?, "echo")?;
            first.push(client.call(self.many.guest("python")?, "echo")?.as_secs_f64() * 1e3);
        }
        self.report.row(Row::new("first call of a Python agent, p50", "ms", percentile(&mut first, 50.0), 80.0, 20.0));
        Ok(())
    }

    /// First calls of all tenants, uploads, and what calls cost on both hosts.
    fn calls(&mut self) -> anyhow::Result<()> {
        let (few, many) = (self.serve("few")?, self.serve("many")?);
        let (mut few_client, mut client) = (Client::connect(few.address)?, Client::connect(many.address)?);
        for key in &self.few.keys {
            few_client.call(key, "echo")?;
        }
        let idle = many.resident_kib()?;
        // One guest more than the tenants: what the first call of all pays once is not a tenant's.
        client.call(self.many.guest("javascript")?, "echo")?;
        let mut cold = Vec::with_capacity(self.many.keys.len());
        for key in &self.many.keys {
            cold.push(client.call(key, "echo")?.as_secs_f64() * 1e3);
        }
        output::progress("every tenant called once");
        self.report.row(Row::new("first call of an echo, p50", "ms", percentile(&mut cold, 50.0), 2.0, 1.0));
        self.report.row(Row::new("first call of an echo, p99", "ms", percentile(&mut cold, 99.0), 10.0, 4.0));
        let tenants = number(self.many.keys.len());
        self.report.fact(
            "a tenant that has called, its component loaded, resident",
            "KiB",
            (many.resident_kib()? - idle) / tenants,
        );
        self.report.fact("file descriptors, every tenant called", "", many.descriptors()?);
        self.report.fact("mappings, every tenant called", "", many.mappings()?);
        self.uploads(&mut client)?;
        self.growth([(&few, &mut few_client), (&many, &mut client)])
    }

    /// Uploads of a component that the host has not seen, and the first answer of each.
    fn uploads(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let component = self.many.javascript.clone();
        let mebibytes = number(component.len()) / 1_048_576.0;
        let key = self.many.guest("javascript")?.to_owned();
        let mut took = Vec::new();
        for round in 0..self.rounds {
            let mark = u64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros())?;
            let distinct = fill::distinct(&component, mark);
            let agent = format!("upload-{round}");
            let began = Instant::now();
            client.upload(&key, &agent, &distinct)?;
            client.call(&key, &agent)?;
            took.push(began.elapsed().as_secs_f64());
        }
        let what = format!("upload of a component of {mebibytes:.1} MiB (QuickJS) to its first answer");
        self.report.row(Row::new(&what, "s", median(&mut took), 1.5, 0.7));
        Ok(())
    }

    /// What a tenant holds that has called, once its component was let go of.
    fn idle(&mut self) -> anyhow::Result<()> {
        let config = self.folder.join("idle.toml");
        std::fs::write(&config, "[host]\ncomponent-idle = '1s'\n")?;
        let host = Served::start(&self.binary, &self.folder.join("many").join("data"), Some(&config))?;
        let mut client = Client::connect(host.address)?;
        client.call(self.many.guest("javascript")?, "echo")?;
        let (resident, descriptors) = (host.resident_kib()?, host.descriptors()?);
        for key in &self.many.keys {
            client.call(key, "echo")?;
        }
        let began = Instant::now();
        while host.descriptors()? > descriptors + 50.0 {
            ensure!(began.elapsed() < Duration::from_secs(30), "components that nobody calls stay loaded");
            std::thread::park_timeout(Duration::from_millis(100));
        }
        // The allocator gives memory back a little later.
        std::thread::park_timeout(Duration::from_secs(2));
        let more = (host.resident_kib()? - resident) / number(self.many.keys.len());
        self.report.fact("a tenant that has called, its component let go of, resident", "KiB", more);
        Ok(())
    }
}

fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50.0)
}

fn number(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
    let number = count as f64;
    number
}

impl Filled {
    fn key(&self, tenant: usize) -> anyhow::Result<&str> {
        self.keys.get(tenant).map(String::as_str).context("no such tenant")
    }

    fn guest(&self, name: &str) -> anyhow::Result<&str> {
        self.guests.get(name).map(String::as_str).with_context(|| format!("the directory has no {name}: fill it anew"))
    }
}
