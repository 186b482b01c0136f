//! Tables, targets, and the page in `docs`.

use crate::instructions::InstructionCounts;
use crate::load::{LoadFigures, LoadSize};
use crate::memory::MemoryFigures;
use crate::rounds::{CpuEffort, RoundResult, Scenario};
use crate::stage::Contestant;
use crate::tools::Machine;
use std::fmt::Write as _;

/// A figure of a round.
type Figure = fn(&LoadFigures) -> f64;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

const BEFORE: &str = "# Benchmarks

The cost of a proxied request, compared with nginx on the same machine in the same run. `make bench`
writes this page and overwrites it. It needs nginx and wrk (on Debian:
`apt-get install nginx-light wrk`); haproxy and Envoy take part where they are installed.

**Trust the ratios, not the absolute numbers**: a ratio is computed between rounds that ran within
the same seconds, and is the median over the rounds (lowest and highest in brackets). Times and
rates depend on the machine, on which load generator, proxy and app share the cores.
";

const HOW: &str = "
## Method

- CPU is the time of the whole process tree (`/proc/PID/task/*/schedstat`) in a window in the middle
  of each round, divided by the requests that the app counted in that window; for 1 MiB, the time of
  the whole round divided by the bytes that wrk received. Rate and latency are wrk's. The app and
  wrk run as separate processes and do not count.
- The servers take turns in every round, in changing order. The first round of each scenario is a
  warm-up and is discarded. Every server runs with as many workers as there are cores, keeps its
  connections to clients and to the app open, and closes none because of its age.
- A run fails if a single response is not 2xx, if a connection fails, or if the app received fewer
  requests than were answered (a redirect to sign-in never reaches it).
- Requests are HTTP/1.1 and carry ten browser headers, 150 bytes of cookies and the session cookie,
  for nginx too. Entrada decides with the last of 16 access rules (`allow = { roles = [...] }`),
  sends the `x-forwarded` set and the assertion, and uses the session of a real sign-in at the
  emulator. Requests to a public path have no session.
- *nginx, `proxy_pass`* is Debian's package with `proxy_http_version 1.1` and keep-alive upstream
  connections, and no other settings. *The same headers added* sets 13 headers with
  `proxy_set_header`, among them a constant of 700 bytes instead of the assertion. *Large buffers*
  has `proxy_buffers 16 64k` and no temporary files.
- Access logs are off on both sides, except in the rows that say otherwise, where both write to a
  file (nginx in its default format, Entrada JSON). Those two are compared with each other.
- With the session store `cookie`, requests carry two cookies of 3,200 bytes together, the most there can be.
  nginx does not: the figure is compared with Entrada's memory store.
- *haproxy* and *Envoy* only forward, with as many threads as there are cores and connections to
  the app that stay open. *Envoy, `jwt_authn`* verifies a signed token (ES256) in a cookie, which
  its cache remembers, and passes the claims on.
- Log levels: `warn` without access log, `info` with it, which is the default.
- An app on the same machine is reached at less cost over a unix socket (`unix:` in `upstream.url`)
  than over TCP, with any of these proxies. All rows here use TCP.
- Certificates are ECDSA P-256; TLS 1.3.
- The size of an idle connection is the growth of resident memory over many connections that have
  served one request each; the size of a session, over many real sign-ins of a person with a role
  and three groups. A session in use also holds its prebuilt headers and its assertion, until the
  assertion has expired.
";

/// The results of all measurements.
#[derive(Debug, Default)]
pub struct BenchReport {
    /// Results for requests.
    pub results: Vec<RoundResult>,
    /// Results for memory.
    pub memory: Option<MemoryFigures>,
    /// Instructions of a request.
    pub instructions: Option<InstructionCounts>,
    /// Start time of `entrada dev`, in milliseconds.
    pub start: Option<f64>,
    /// Whether the plain release build was measured beside the distributed one.
    pub has_plain: bool,
}

/// One promise, and its result.
struct ReportTarget {
    what: String,
    limit: String,
    measured: String,
    met: bool,
}

impl BenchReport {
    /// Returns the whole page.
    pub fn page(&self, machine: &Machine, effort: CpuEffort) -> String {
        let mut out = BEFORE.to_owned();
        let _ = writeln!(out, "\n| Machine | |\n|---|---|");
        let own = ("Entrada", format!("{}, {}", env!("CARGO_PKG_VERSION"), self.build()));
        let rounds = (
            "Rounds",
            format!(
                "{} of {} s (one second more for 1 MiB) for each row, after one to warm up",
                effort.rounds, effort.timing.seconds
            ),
        );
        for (name, value) in machine.lines.iter().chain([&own, &rounds]) {
            let _ = writeln!(out, "| {name} | {value} |");
        }
        out + "\n" + &self.tables() + HOW
    }

    fn build(&self) -> &'static str {
        if self.has_plain {
            "distributed build (`make release`) with profile-guided optimization"
        } else {
            "release build without profile-guided optimization"
        }
    }

    /// Returns the targets and tables.
    pub fn tables(&self) -> String {
        let mut out = String::new();
        let targets = self.targets();
        if !targets.is_empty() {
            let _ =
                writeln!(out, "## Targets\n\n| what | target | measured | |\n|---|---|---|---|");
            for it in targets {
                let _ = writeln!(
                    out,
                    "| {} | {} | {} | {} |",
                    it.what,
                    it.limit,
                    it.measured,
                    if it.met { "met" } else { "**missed**" }
                );
            }
            out.push('\n');
        }
        for result in &self.results {
            out.push_str(&table(result));
        }
        if let Some(instructions) = &self.instructions {
            out.push_str(&instruction_table(instructions));
        }
        if let Some(memory) = &self.memory {
            out.push_str(&memory_table(memory));
        }
        out
    }

    fn targets(&self) -> Vec<ReportTarget> {
        use Contestant::{
            Entrada, EntradaCookie, EntradaLogged, Nginx, NginxHeaders, NginxLogged, NginxTuned,
        };
        let cpu = |it: &LoadFigures| it.cpu;
        let p99 = |it: &LoadFigures| it.p99;
        let small = |connections| Scenario::key(connections, LoadSize::Small, false);
        let tls = Scenario::key(64, LoadSize::Small, true);
        let large = Scenario::key(64, LoadSize::Large, false);
        let ratios = [
            ("CPU, signed in, to nginx", small(64), Entrada, Nginx, 1.10, cpu as Figure),
            (
                "the same to nginx with the same headers",
                small(64),
                Entrada,
                NginxHeaders,
                0.97,
                cpu,
            ),
            ("the same, both with access log", small(64), EntradaLogged, NginxLogged, 1.10, cpu),
            ("the access log, to the same without", small(64), EntradaLogged, Entrada, 1.10, cpu),
            ("CPU, sessions in cookies, to memory", small(64), EntradaCookie, Entrada, 1.40, cpu),
            ("CPU, signed in, to nginx", small(512), Entrada, Nginx, 1.20, cpu),
            ("CPU, signed in, to nginx", tls, Entrada, Nginx, 1.10, cpu),
            ("CPU, signed in, to nginx", large, Entrada, Nginx, 0.60, cpu),
            ("the same to nginx with large buffers", large, Entrada, NginxTuned, 1.0, cpu),
            ("p99, signed in, to nginx", small(1), Entrada, Nginx, 1.0, p99),
            ("p99, signed in, to nginx", small(64), Entrada, Nginx, 1.0, p99),
            ("p99, signed in, to nginx", small(512), Entrada, Nginx, 1.0, p99),
        ];
        let mut out: Vec<_> = ratios
            .into_iter()
            .filter_map(|(what, scenario, of, to, limit, figure)| {
                let result = self.results.iter().find(|it| it.scenario.is(scenario))?;
                let measured = result.of(of)?.ratio(result.of(to)?, figure).median;
                Some(ReportTarget {
                    what: format!("{what}; {}", result.scenario.title()),
                    limit: format!("at most {limit:.2} x"),
                    measured: format!("{measured:.2} x"),
                    met: measured <= limit,
                })
            })
            .collect();
        if let Some(it) = &self.memory {
            out.push(most("idle connection", it.connection / KIB, 4.0, "KiB"));
            out.push(most(
                "100 000 sessions, with the process",
                (it.idle + it.session * 100_000.0) / MIB,
                120.0,
                "MiB",
            ));
            out.push(most("idle process", it.idle / MIB, 20.0, "MiB"));
        }
        out.extend(
            self.start.map(|it| most("`entrada dev`, from exec to listening", it, 50.0, "ms")),
        );
        out
    }
}

fn most(what: &str, measured: f64, limit: f64, unit: &str) -> ReportTarget {
    ReportTarget {
        what: what.to_owned(),
        limit: format!("under {limit:.0} {unit}"),
        measured: format!("{measured:.1} {unit}"),
        met: measured <= limit,
    }
}

fn table(result: &RoundResult) -> String {
    let mut out = format!(
        "## {}\n\n| | CPU us/request | ratio to nginx | requests/s | p50 ms | p99 ms | p99 ratio |\n|---|--:|--:|--:|--:|--:|--:|\n",
        result.scenario.title()
    );
    for series in &result.series {
        let base = result.of(series.who.baseline());
        let ratio = |figure: fn(&LoadFigures) -> f64| match base {
            Some(base) if base.who != series.who => {
                let it = series.ratio(base, figure);
                format!("{:.2} ({:.2} - {:.2})", it.median, it.low, it.high)
            }
            _ => "1".to_owned(),
        };
        let _ = writeln!(
            out,
            "| {} | {:.1} | {} | {:.0} | {:.2} | {:.2} | {} |",
            series.who.name(),
            series.median(|it| it.cpu),
            if series.who == Contestant::NginxLogged {
                to_bare(result, |it| it.cpu)
            } else {
                ratio(|it| it.cpu)
            },
            series.median(|it| it.rate),
            series.median(|it| it.p50) / 1000.0,
            series.median(|it| it.p99) / 1000.0,
            if series.who == Contestant::NginxLogged {
                to_bare(result, |it| it.p99)
            } else {
                ratio(|it| it.p99)
            },
        );
    }
    if result.of(Contestant::EntradaLogged).is_some() {
        out.push_str(
            "\nThe ratios of Entrada with access log are to nginx with its access log on.\n",
        );
    }
    out + "\n"
}

fn to_bare(result: &RoundResult, figure: fn(&LoadFigures) -> f64) -> String {
    let pair = result.of(Contestant::NginxLogged).zip(result.of(Contestant::Nginx));
    pair.map_or_else(String::new, |(logged, bare)| {
        let it = logged.ratio(bare, figure);
        format!("{:.2} ({:.2} - {:.2})", it.median, it.low, it.high)
    })
}

fn instruction_table(it: &InstructionCounts) -> String {
    let mut out = format!(
        "## Instructions per request\n\nSigned in, 1 KiB, one connection, in user space: {:.1} thousand, by the functions that\nexecute them. A function that the compiler merged into its caller counts there.\n\n| part | thousand |\n|---|--:|\n",
        it.total / 1000.0
    );
    for (part, count) in &it.parts {
        let _ = writeln!(out, "| {part} | {:.1} |", count / 1000.0);
    }
    out + "\n"
}

fn memory_table(it: &MemoryFigures) -> String {
    let mut out = String::from("## Memory\n\n| | |\n|---|--:|\n");
    let rows = [
        ("the process, idle, ready".to_owned(), format!("{:.1} MiB", it.idle / MIB)),
        (
            format!("an idle connection (of {})", it.connections),
            format!("{:.1} KiB", it.connection / KIB),
        ),
        ("the same of nginx".to_owned(), format!("{:.1} KiB", it.nginx_connection / KIB)),
        (format!("a session at rest (of {})", it.sessions), format!("{:.0} bytes", it.session)),
        (
            "a session in use, with its headers and assertion".to_owned(),
            format!("{:.0} bytes", it.session_in_use),
        ),
        (
            "100 000 sessions at rest, with the process, at those sizes".to_owned(),
            format!("{:.0} MiB", (it.idle + it.session * 1e5) / MIB),
        ),
        (
            "100 000 sessions all in use within minutes, likewise".to_owned(),
            format!("{:.0} MiB", (it.idle + it.session_in_use * 1e5) / MIB),
        ),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    out
}
