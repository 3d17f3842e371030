//! How the installation is doing: what the overview shows, its series, and the indicators of PRD 10.
//!
//! Everything comes from rows that are kept as things happen (`store/figures`): no range reads the call log.

mod gather;
mod health;
mod indicators;
mod machine;
mod overview;
mod range;
mod report;
mod series;

pub use self::{
    gather::Memory,
    health::HealthView,
    indicators::{IndicatorView, Unit},
    machine::MachineView,
    overview::{
        AgentSummaryView, AutomationView, CallSummaryView, ConsultantSummaryView, ErrorCountView, OverviewView, RegistrationSummaryView,
        StepSummaryView, StorageView, SystemView, ToolSummaryView, WelcomesView,
    },
    range::Range,
    report::IndicatorsView,
    series::{SeriesPoint, SeriesView},
};

#[cfg(test)]
mod tests;
