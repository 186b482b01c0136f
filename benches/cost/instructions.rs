//! Instructions per request, by part of the program, counted by valgrind (`callgrind`). Unlike CPU
//! time, they are the same on every run, whatever else the machine does.

use crate::entrada::{EntradaFolder, EntradaKind, EntradaProcess};
use crate::http::HttpConnection;
use crate::load::{LoadRun, LoadSize, browser_headers};
use crate::nginx::NginxApp;
use crate::sign_in::{BenchBrowser, EmulatorProcess};
use crate::stage::certificate;
use crate::terminal::BenchOutcome;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Number of requests in the shorter and the longer run. Their difference leaves out the start.
const RUNS: [u32; 2] = [200, 1200];
/// Parts with fewer instructions than this are counted together.
const MIN_PART: f64 = 200.0;

/// Number of functions that are listed.
const FUNCTIONS: usize = 60;

/// The instructions of one request.
#[derive(Debug)]
pub struct InstructionCounts {
    /// All of them, in user space.
    pub total: f64,
    /// By part of the program, the largest first.
    pub parts: Vec<(String, f64)>,
    /// The functions that cost the most.
    pub functions: Vec<(String, f64)>,
}

/// Counts the instructions of a request of a signed-in person, on one connection.
pub fn measure(valgrind: &Path, dir: &Path, binary: &Path) -> BenchOutcome<InstructionCounts> {
    let [short, long] = RUNS;
    let before = run(valgrind, dir, binary, short)?;
    let after = run(valgrind, dir, binary, long)?;
    let mut parts: HashMap<String, f64> = HashMap::new();
    let mut functions = Vec::new();
    for (function, count) in &after {
        let more = count - before.get(function).copied().unwrap_or_default();
        let more = more / f64::from(long - short);
        *parts.entry(part_of(function)).or_default() += more;
        functions.push((function.clone(), more));
    }
    let total = parts.values().sum();
    let (large, small): (Vec<_>, Vec<_>) = parts.into_iter().partition(|it| it.1 >= MIN_PART);
    let mut parts = large;
    parts.sort_by(|one, other| other.1.total_cmp(&one.1));
    parts.push(("everything else".to_owned(), small.iter().map(|it| it.1).sum()));
    functions.sort_by(|one, other| other.1.total_cmp(&one.1));
    functions.truncate(FUNCTIONS);
    Ok(InstructionCounts { total, parts, functions })
}

fn run(
    valgrind: &Path,
    dir: &Path,
    binary: &Path,
    requests: u32,
) -> BenchOutcome<HashMap<String, f64>> {
    let dir = dir.join(format!("instructions-{requests}"));
    fs::create_dir_all(&dir)?;
    let certificate = certificate(&dir)?;
    let app = NginxApp::start(&crate::tools::BenchTools::find()?.nginx, &dir)?;
    let place = EntradaFolder::choose(EntradaKind::Clear, &certificate)?;
    let emulator = EmulatorProcess::start(binary, &[place.redirect_uri()])?;
    let file = dir.join("callgrind.out");
    let mut under = Command::new(valgrind);
    under
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(binary);
    let entrada = EntradaProcess::start_as(under, &dir, app.port, &place, &certificate, &emulator)?;
    let session = BenchBrowser::open(&entrada.site, &emulator)?.sign_in()?;
    let load = LoadRun {
        site: &entrada.site,
        folder: "/app",
        size: LoadSize::Small,
        session: Some(&session),
        connections: 1,
    };
    let cookie = load.cookie();
    let headers = browser_headers(&cookie);
    let mut connection = HttpConnection::open(load.site)?;
    for _ in 0..requests {
        let status = connection.get(&load.path(), &headers)?.status;
        if status != 200 {
            return Err(format!("the app was not reached under valgrind: {status}").into());
        }
    }
    drop(connection);
    entrada.process.stop()?;
    Ok(own_costs(&fs::read_to_string(file)?))
}

/// Reads what each function costs by itself from a file of callgrind. Its names are written once and
/// then referred to by number: `fn=(12) name`, `fn=(12)`.
fn own_costs(profile: &str) -> HashMap<String, f64> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut costs: HashMap<String, f64> = HashMap::new();
    let (mut function, mut is_call) = ("", false);
    for line in profile.lines() {
        if let Some(named) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (number, name) = named.split_once(' ').unwrap_or((named, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            if line.starts_with("fn=") {
                function = names.get(number).copied().unwrap_or_default();
            }
        } else if line.starts_with("calls=") {
            // The next line has the cost of the function that is called.
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split(' ').nth(1).and_then(|it| it.parse::<f64>().ok());
            if let Some(cost) = cost.filter(|_| !std::mem::take(&mut is_call)) {
                *costs.entry(function.to_owned()).or_default() += cost;
            }
        }
    }
    costs
}

/// The crate of a function, and for ours the module; one part for the C library and the allocator.
fn part_of(function: &str) -> String {
    let path = function.trim_start_matches(['<', '&', '*']).trim_start_matches("mut ");
    let mut segments = path.split("::");
    let first = segments.next().unwrap_or_default();
    let first = first.split(['<', '{', '[']).next().unwrap_or_default();
    match first {
        "entrada" => {
            let module = segments.next().unwrap_or_default();
            format!("entrada::{}", module.split(['<', '>', ' ']).next().unwrap_or_default())
        }
        _ if !path.contains("::") => "C library and allocator".to_owned(),
        "core" | "alloc" | "std" => "standard library".to_owned(),
        name => name.to_owned(),
    }
}
