//! `timing`: whether the time of an answer tells a name that another tenant has from one that nobody has (T6). A real host,
//! an owner, a bystander, and a prober that asks over HTTP for one of each, in an order drawn by lot, for every kind of
//! name that a request can have. What it looks for is in `statistics`.

mod client;
mod kinds;
mod random;
mod statistics;
mod world;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use serde::Serialize;

use self::client::Client;
use self::kinds::{Cost, KINDS, Kind, Purpose, made_up};
use self::random::Random;
use self::statistics::judge;
use self::world::{THINGS, World};
use crate::figures::median;
use crate::output;
use crate::subject::Subject;

pub(crate) use self::world::{Options as WorldOptions, serve};

/// The chance of a false alarm anywhere in the table.
const ALPHA: f64 = 0.05;
/// Pairs that are asked first and not counted.
const WARM_UP: usize = 50;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Pairs of each kind; a quarter of it where a question waits for the disk, and a hundredth where it compiles.
    #[arg(long, default_value_t = 4_000)]
    pairs: usize,
    /// Only kinds whose name has this in it.
    #[arg(long)]
    only: Option<String>,
    /// Few pairs: to see that all of it works, and for no verdict.
    #[arg(long)]
    smoke: bool,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    /// Whether the owner used its thing just before each pair, or nothing since the host started.
    used: &'static str,
    /// Whether it was asked a second time, after a difference in the first.
    again: bool,
    pairs: usize,
    foreign_us: f64,
    absent_us: f64,
    /// Guesses that are right, with the best threshold.
    right: f64,
    within: f64,
    seen_from: f64,
    p: f64,
    told_apart: bool,
    /// Whether that is as it must be.
    as_it_must_be: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let component = insula_cli::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/echo"), true)?;
    let temporary = tempfile::tempdir()?;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let mut random = Random::new(u64::try_from(seed & u128::from(u64::MAX))?);
    let data = temporary.path().join("data");
    let arguments = ["serve-timing".into(), data.display().to_string(), component.display().to_string()];
    let arguments = [arguments.as_slice(), &[random.draw().to_string()]].concat();
    // A promise is what can be broken: the others cost no certainty.
    let wanted = |kind: &&Kind| options.wants(kind) && kind.purpose == Purpose::Promise;
    let promises = KINDS.iter().filter(wanted).map(|kind| 1 + usize::from(kind.cold)).sum::<usize>();
    let alpha = ALPHA / statistics::count(promises.max(1));
    let mut rows = Vec::new();
    let host = Subject::<World>::start(&arguments)?;
    let mut world = host.listening.clone();
    world.nobody = world.tenants.first().map(made_up).transpose()?;
    measure(options, &world, "just now", alpha, &mut random, &mut rows)?;
    drop(host);
    // The same directory: the owner's things are there, and have not been used since the start.
    let host = Subject::<World>::start(&arguments)?;
    world.address = host.listening.address;
    measure(options, &world, "not since the start", alpha, &mut random, &mut rows)?;
    drop(host);
    if options.json {
        output::line(&serde_json::to_string_pretty(&rows)?);
    } else {
        print(&rows);
    }
    let wrong: Vec<_> = rows.iter().filter(|row| !row.as_it_must_be).map(|row| row.kind).collect();
    ensure!(options.smoke || wrong.is_empty(), "not as it must be: {}", wrong.join(", "));
    Ok(())
}

impl Options {
    fn wants(&self, kind: &Kind) -> bool {
        self.only.as_deref().is_none_or(|only| kind.name.contains(only))
    }
}

/// Asks all pairs of every kind, of a host that is warm or of one on which the owner has done nothing yet. Where a difference
/// is seen that must not be, all is asked once more, and only that counts: in so many rows chance makes one now and then.
fn measure(
    options: &Options,
    world: &World,
    used: &'static str,
    alpha: f64,
    random: &mut Random,
    rows: &mut Vec<Row>,
) -> anyhow::Result<()> {
    let touched = used == "just now";
    for kind in KINDS.iter().filter(|kind| options.wants(kind) && (touched || kind.cold)) {
        output::progress(&format!("{}, used {used}", kind.name));
        let first = row(kind, used, &times(options, world, kind, touched, random)?, alpha, random);
        rows.push(if first.as_it_must_be || kind.purpose == Purpose::Seen || options.smoke {
            first
        } else {
            output::progress(&format!("a difference, p {:.4}: once more", first.p));
            let pairs = times(options, world, kind, touched, random)?;
            Row { again: true, ..row(kind, used, &pairs, alpha, random) }
        });
    }
    Ok(())
}

fn times(
    options: &Options,
    world: &World,
    kind: &Kind,
    touched: bool,
    random: &mut Random,
) -> anyhow::Result<Vec<(f64, f64)>> {
    let pairs = match (options.smoke, kind.cost) {
        (true, Cost::Compile) => 2,
        (true, _) => 20,
        (false, Cost::Light) => options.pairs,
        (false, Cost::Disk) => options.pairs / 4,
        (false, Cost::Compile) => options.pairs / 100,
    };
    let warm_up = if kind.cost == Cost::Compile || options.smoke { 1 } else { WARM_UP };
    let (mut owner, mut prober) = (Client::new(world.address), Client::new(world.address));
    let mut times = Vec::with_capacity(pairs);
    // Made beforehand and asked again and again, those for what nobody has like those for what the owner has. Bytes are
    // known once they were uploaded: each pair has its own.
    let different = if kind.cost == Cost::Compile { warm_up + pairs } else { THINGS };
    let mut prepared = Vec::with_capacity(different);
    for number in 0..different {
        prepared.push((kind.make)(world, number, random)?);
    }
    for (number, pair) in prepared.iter().cycle().take(warm_up + pairs).enumerate() {
        if touched {
            pair.touch.iter().try_for_each(|question| owner.must(question).map(drop))?;
        }
        let foreign_first = random.coin();
        let (first, second) = if foreign_first { (&pair.foreign, &pair.absent) } else { (&pair.absent, &pair.foreign) };
        let ((first, earlier), (second, later)) = (prober.ask(first)?, prober.ask(second)?);
        let (one, other) = (first.status, second.status);
        ensure!(!kind.same || first == second, "{}: answers that are not the same, {one} and {other}", kind.name);
        ensure!(one != 429 && other != 429 && one < 500 && other < 500, "{}: {one} and {other}", kind.name);
        pair.after.iter().try_for_each(|question| prober.must(question).map(drop))?;
        let (foreign, absent) = if foreign_first { (earlier, later) } else { (later, earlier) };
        if number >= warm_up {
            times.push((foreign.as_secs_f64() * 1e6, absent.as_secs_f64() * 1e6));
        }
    }
    Ok(times)
}

fn row(kind: &Kind, used: &'static str, pairs: &[(f64, f64)], alpha: f64, random: &mut Random) -> Row {
    let found = judge(pairs, alpha, random);
    let told_apart = found.p < alpha;
    Row {
        kind: kind.name,
        used,
        again: false,
        pairs: pairs.len(),
        foreign_us: median(pairs.iter().map(|pair| pair.0)),
        absent_us: median(pairs.iter().map(|pair| pair.1)),
        right: found.right,
        within: found.within,
        seen_from: found.seen_from,
        p: found.p,
        told_apart,
        as_it_must_be: told_apart == (kind.purpose == Purpose::Seen),
    }
}

fn print(rows: &[Row]) {
    output::line("one name that another tenant has, one that nobody has: what the time of the answer tells");
    output::line("");
    output::line(&format!(
        "  {:<42}{:<21}{:>7}{:>12}{:>12}{:>17}{:>11}{:>9}  {}",
        "kind of name", "the owner used it", "pairs", "foreign", "absent", "right guesses", "seen from", "p", "verdict"
    ));
    for row in rows {
        let verdict = match (row.told_apart, row.as_it_must_be) {
            (false, true) if row.again => "chance, when asked again",
            (false, true) => "chance",
            (true, true) => "told apart, as it must be",
            (true, false) => "TOLD APART",
            (false, false) => "NOT SEEN",
        };
        output::line(&format!(
            "  {:<42}{:<21}{:>7}{:>9.1} us{:>9.1} us{:>10.1} +- {:.1} %{:>9.1} %{:>9.4}  {verdict}",
            row.kind,
            row.used,
            row.pairs,
            row.foreign_us,
            row.absent_us,
            row.right * 100.0,
            row.within * 100.0,
            row.seen_from * 100.0,
            row.p
        ));
    }
}
