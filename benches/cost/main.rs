//! `make bench`: CPU, latency and memory of the release build, next to nginx in the same run.

mod arguments;
mod entrada;
mod http;
mod instructions;
mod load;
mod memory;
mod nginx;
mod others;
mod process;
mod report;
mod rounds;
mod sign_in;
mod stage;
mod statistics;
mod terminal;
mod tools;
mod train;

use arguments::{BenchArgs, BenchPart};
use clap::Parser as _;
use load::{LoadDriver, Timing};
use memory::MemoryAmount;
use report::BenchReport;
use rounds::CpuEffort;
use stage::{BenchBinaries, BenchStage};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use terminal::{BenchOutcome, complain, say};
use tools::{BenchTools, Machine, raise_file_limit};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/development/benchmarks.md");

fn main() -> ExitCode {
    match run(&BenchArgs::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &BenchArgs) -> BenchOutcome<()> {
    let tools = BenchTools::find()?;
    raise_file_limit(20_000);
    let dir = tempfile::tempdir()?;
    if let Some(binary) = &arguments.train {
        return train::train(&tools, dir.path(), &binary.canonicalize()?);
    }
    let effort = effort(arguments);
    let report = if effort.nginx_only {
        requests(effort, &tools, dir.path(), None)?
    } else {
        measure(arguments, effort, &tools, dir.path())?
    };
    say(&format!("\n{}", report.tables()));
    if arguments.is_whole() {
        std::fs::create_dir_all(Path::new(PAGE).parent().ok_or("docs has no place")?)?;
        std::fs::write(PAGE, report.page(&Machine::describe(&tools), effort))?;
        say("written to docs/development/benchmarks.md");
    }
    Ok(())
}

fn effort(arguments: &BenchArgs) -> CpuEffort {
    let (rounds, timing) = if arguments.quick {
        (
            3,
            Timing {
                seconds: 1,
                lead: Duration::from_millis(250),
                window: Duration::from_millis(650),
            },
        )
    } else {
        (
            7,
            Timing {
                seconds: 2,
                lead: Duration::from_millis(350),
                window: Duration::from_millis(1500),
            },
        )
    };
    CpuEffort {
        rounds: arguments.rounds.unwrap_or(rounds),
        timing,
        quick: arguments.quick,
        nginx_only: arguments.wants(BenchPart::Nginx),
    }
}

fn measure(
    arguments: &BenchArgs,
    effort: CpuEffort,
    tools: &BenchTools,
    dir: &Path,
) -> BenchOutcome<BenchReport> {
    let binary = arguments.program()?;
    let mut report = BenchReport::default();
    if arguments.wants(BenchPart::Start) {
        report.start = Some(memory::start_time(&binary, if effort.quick { 5 } else { 15 })?);
    }
    if arguments.wants(BenchPart::Memory) {
        let (connections, sessions) = if effort.quick { (500, 1000) } else { (2000, 10_000) };
        report.memory =
            Some(memory::measure(tools, dir, &binary, MemoryAmount { connections, sessions })?);
    }
    let asks_in_vain =
        arguments.only.contains(&BenchPart::Instructions) && tools.valgrind.is_none();
    if asks_in_vain {
        return Err("counting instructions needs valgrind\napt-get install valgrind".into());
    }
    if let Some(valgrind) =
        tools.valgrind.as_ref().filter(|_| arguments.wants(BenchPart::Instructions))
    {
        let counts = instructions::measure(valgrind, dir, arguments.with_symbols()?)?;
        for (function, count) in &counts.functions {
            say(&format!("{count:>8.0} {function}"));
        }
        report.instructions = Some(counts);
    }
    if arguments.wants(BenchPart::Requests) {
        let binaries = BenchBinaries { distributed: &binary, plain: arguments.plain()? };
        report.has_plain = binaries.plain.is_some();
        report.results = requests(effort, tools, dir, Some(&binaries))?.results;
    }
    Ok(report)
}

fn requests(
    effort: CpuEffort,
    tools: &BenchTools,
    dir: &Path,
    binaries: Option<&BenchBinaries<'_>>,
) -> BenchOutcome<BenchReport> {
    let mut stage = BenchStage::set(tools, dir, binaries)?;
    let results = rounds::measure(&mut stage, &LoadDriver::new(&tools.wrk, dir)?, effort)?;
    Ok(BenchReport { results, ..BenchReport::default() })
}
