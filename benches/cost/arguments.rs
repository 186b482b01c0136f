//! Command-line arguments after `cargo bench --bench cost --`.

use crate::terminal::BenchOutcome;
use std::path::{Path, PathBuf};

/// Measures what a proxied request costs, next to nginx, and writes docs/development/benchmarks.md.
#[derive(Debug, clap::Parser)]
#[command(name = "cost")]
pub struct BenchArgs {
    /// Fewer and shorter rounds, the first scenarios only; prints, and writes no page.
    #[arg(long)]
    pub quick: bool,
    /// Only these parts; prints, and writes no page.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<BenchPart>,
    /// The program to measure; without it, the one that cargo built along with this benchmark.
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// The same build with symbols, to count instructions by part of the program.
    #[arg(long)]
    pub symbols: Option<PathBuf>,
    /// A second build of the program, without profile-guided optimization, to measure beside it.
    #[arg(long)]
    pub plain: Option<PathBuf>,
    /// Rounds of each scenario that count.
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Only drives this (instrumented) program, for profile-guided optimization.
    #[arg(long, value_name = "BINARY")]
    pub train: Option<PathBuf>,
    /// cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchPart {
    /// Requests through nginx and Entrada.
    Requests,
    /// Requests through nginx alone.
    Nginx,
    /// Instructions of a request, by part of the program; needs valgrind.
    Instructions,
    /// Memory of process, connections and sessions.
    Memory,
    /// How soon `entrada dev` listens.
    Start,
}

impl BenchArgs {
    /// Returns whether this part was requested.
    pub fn wants(&self, part: BenchPart) -> bool {
        self.only.contains(&part) || self.only.is_empty() && self.is_usual(part)
    }

    fn is_usual(&self, part: BenchPart) -> bool {
        match part {
            BenchPart::Nginx => false,
            BenchPart::Instructions => self.symbols.is_some(),
            _ => true,
        }
    }

    /// Returns the path of the program to measure.
    pub fn program(&self) -> BenchOutcome<PathBuf> {
        let along = PathBuf::from(env!("CARGO_BIN_EXE_entrada"));
        let binary = match &self.binary {
            Some(binary) => binary,
            None if cfg!(debug_assertions) => return Err("a debug build says nothing about speed\nmake bench, or give a release build with --binary".into()),
            None => &along,
        };
        binary
            .canonicalize()
            .map_err(|it| format!("{}: {it}\ncargo build --release", binary.display()).into())
    }

    /// Returns the path of a build with symbols.
    pub fn with_symbols(&self) -> BenchOutcome<&Path> {
        self.symbols
            .as_deref()
            .ok_or_else(|| "instructions need a build with symbols: --symbols".into())
    }

    /// Returns the path of the second build.
    pub fn plain(&self) -> BenchOutcome<Option<PathBuf>> {
        let path =
            |it: &PathBuf| it.canonicalize().map_err(|error| format!("{}: {error}", it.display()));
        Ok(self.plain.as_ref().map(path).transpose()?)
    }

    /// Returns whether this is a full run with the default settings.
    pub fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty() && self.rounds.is_none()
    }
}
