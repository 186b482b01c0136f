//! Scenarios, and the interleaved rounds for each.

use crate::load::{LoadDriver, LoadFigures, LoadSize, Timing};
use crate::stage::{BenchStage, Contestant};
use crate::statistics::{Spread, median};
use crate::terminal::{BenchOutcome, hum, say};

/// The conditions under which contestants are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Number of concurrent connections.
    pub connections: u32,
    /// The size of the body.
    pub size: LoadSize,
    /// Whether it uses TLS.
    pub tls: bool,
    contestants: &'static [Contestant],
}

impl Scenario {
    /// Returns the title for a heading.
    pub fn title(&self) -> String {
        let size = if self.size == LoadSize::Large { "1 MiB" } else { "1 KiB" };
        let connections = if self.connections == 1 {
            "1 connection".to_owned()
        } else {
            format!("{} connections", self.connections)
        };
        format!("{size}, {connections}{}", if self.tls { ", TLS" } else { "" })
    }

    /// Returns what identifies a scenario.
    pub const fn key(connections: u32, size: LoadSize, tls: bool) -> (u32, LoadSize, bool) {
        (connections, size, tls)
    }

    /// Returns whether this is the scenario of `key`.
    pub fn is(&self, key: (u32, LoadSize, bool)) -> bool {
        Self::key(self.connections, self.size, self.tls) == key
    }

    const fn clear(connections: u32, size: LoadSize, contestants: &'static [Contestant]) -> Self {
        Self { connections, size, tls: false, contestants }
    }
}

const FOUR: &[Contestant] =
    &[Contestant::Nginx, Contestant::NginxHeaders, Contestant::Entrada, Contestant::EntradaPublic];
const MANY_CONNECTIONS: &[Contestant] = &[
    Contestant::Nginx,
    Contestant::NginxHeaders,
    Contestant::Entrada,
    Contestant::EntradaPublic,
    Contestant::EntradaPlain,
    Contestant::Haproxy,
];
const ALL: &[Contestant] = &[
    Contestant::Nginx,
    Contestant::NginxHeaders,
    Contestant::Entrada,
    Contestant::EntradaPublic,
    Contestant::NginxLogged,
    Contestant::EntradaLogged,
    Contestant::EntradaCookie,
    Contestant::EntradaPlain,
    Contestant::Haproxy,
    Contestant::Envoy,
    Contestant::EnvoyJwt,
];
const LARGE: &[Contestant] = &[
    Contestant::Nginx,
    Contestant::NginxTuned,
    Contestant::NginxHeaders,
    Contestant::Entrada,
    Contestant::EntradaPublic,
];

/// The scenarios, most important first.
const SCENARIOS: [Scenario; 7] = [
    Scenario::clear(64, LoadSize::Small, ALL),
    Scenario::clear(512, LoadSize::Small, MANY_CONNECTIONS),
    Scenario::clear(1, LoadSize::Small, FOUR),
    Scenario { connections: 64, size: LoadSize::Small, tls: true, contestants: FOUR },
    Scenario::clear(64, LoadSize::Large, LARGE),
    Scenario::clear(512, LoadSize::Large, LARGE),
    Scenario::clear(1, LoadSize::Large, LARGE),
];

/// Number of scenarios in a quick run.
const QUICK: usize = 2;

/// All figures for one contestant in one scenario, one entry for each round.
#[derive(Debug)]
pub struct RoundSeries {
    /// The contestant.
    pub who: Contestant,
    /// The figures of each round.
    pub rounds: Vec<LoadFigures>,
}

impl RoundSeries {
    /// Returns the median of one figure.
    pub fn median(&self, figure: impl Fn(&LoadFigures) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    /// Returns the ratio of one figure to the same figure in another series, for each round: both
    /// were measured within the same seconds.
    pub fn ratio(&self, to: &Self, figure: impl Fn(&LoadFigures) -> f64) -> Spread {
        Spread::of(
            self.rounds.iter().zip(&to.rounds).map(|(ours, theirs)| figure(ours) / figure(theirs)),
        )
    }
}

/// All figures for one scenario.
#[derive(Debug)]
pub struct RoundResult {
    /// The scenario.
    pub scenario: Scenario,
    /// The series of each contestant, in the order of the table.
    pub series: Vec<RoundSeries>,
}

impl RoundResult {
    /// Returns the series of one contestant.
    pub fn of(&self, who: Contestant) -> Option<&RoundSeries> {
        self.series.iter().find(|it| it.who == who)
    }
}

/// The amount of measurement.
#[derive(Clone, Copy, Debug)]
pub struct CpuEffort {
    /// Number of rounds that count; one more runs before them.
    pub rounds: usize,
    /// The timing of each round.
    pub timing: Timing,
    /// Whether only a few scenarios run.
    pub quick: bool,
    /// Whether only nginx runs.
    pub nginx_only: bool,
}

/// Measures all scenarios.
pub fn measure(
    stage: &mut BenchStage,
    driver: &LoadDriver,
    effort: CpuEffort,
) -> BenchOutcome<Vec<RoundResult>> {
    let count = if effort.quick { QUICK } else { SCENARIOS.len() };
    SCENARIOS.into_iter().take(count).map(|it| one(stage, driver, effort, it)).collect()
}

fn one(
    stage: &mut BenchStage,
    driver: &LoadDriver,
    effort: CpuEffort,
    scenario: Scenario,
) -> BenchOutcome<RoundResult> {
    hum(&format!("{:<32}", scenario.title()));
    let contestants = scenario.contestants.iter().filter(|it| stage.has(**it));
    let mut series: Vec<_> =
        contestants.map(|it| RoundSeries { who: *it, rounds: Vec::new() }).collect();
    for round in 0..=effort.rounds {
        // The order changes, so that no contestant always comes first, or always after the same
        // one.
        let many = series.len();
        let forth = round.is_multiple_of(2);
        for step in 0..many {
            let place = (round + if forth { step } else { many - 1 - step }) % many;
            let Some(it) = series.get_mut(place) else { continue };
            let (load, process, app) =
                stage.round(it.who, scenario.tls, scenario.size, scenario.connections)?;
            let figures = driver.round(&load, process, app, effort.timing)?;
            // The first round only warms up caches, pools and connections.
            if round > 0 {
                it.rounds.push(figures);
            }
        }
        hum(".");
    }
    say("");
    Ok(RoundResult { scenario, series })
}
