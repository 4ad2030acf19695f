//! The program `epona`: samples to read and tools to use, one file for each command.

mod backlog;
mod client;
mod common;
mod cores;
mod doctor;
mod driver;
mod driver_tool;
mod errors;
mod interrupt;
mod log;
mod look;
mod loss;
mod metrics;
mod ping;
mod pong;
mod r#pub;
mod side;
mod snapshot;
mod stat;
mod streams;
mod sub;
mod text;
mod throughput;
mod top;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    common::{Stop, USAGE_STATUS, note, usage_problem},
    interrupt::Interrupt,
};

/// Send messages with Epona, see how fast they travel, and what media drivers do with them.
#[derive(Debug, Parser)]
#[command(name = "epona", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ping(ping::Options),
    Pong(pong::Options),
    Pub(r#pub::Options),
    Sub(sub::Options),
    Throughput(throughput::Options),
    Stat(stat::Options),
    Top(top::Options),
    Streams(streams::Options),
    Backlog(backlog::Options),
    Errors(errors::Options),
    Loss(loss::Options),
    Log(log::Options),
    Metrics(metrics::Options),
    Doctor(doctor::Options),
    Driver(driver_tool::Options),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) if !answer.use_stderr() => {
            return answer.print().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
        Err(problem) => {
            note(&usage_problem(&problem, &Cli::command()));
            return ExitCode::from(USAGE_STATUS);
        }
    };
    Interrupt::install()
        .map_err(Stop::from)
        .and_then(|interrupt| run(cli.command, &interrupt))
        .map_or_else(|stop| stop.report(), |()| ExitCode::SUCCESS)
}

fn run(command: Command, interrupt: &Interrupt) -> Result<(), Stop> {
    match command {
        Command::Ping(options) => ping::run(&options, interrupt),
        Command::Pong(options) => pong::run(&options, interrupt),
        Command::Pub(options) => r#pub::run(&options, interrupt),
        Command::Sub(options) => sub::run(&options, interrupt),
        Command::Throughput(options) => throughput::run(&options, interrupt),
        Command::Stat(options) => stat::run(&options, interrupt),
        Command::Top(options) => top::run(&options, interrupt),
        Command::Streams(options) => streams::run(&options, interrupt),
        Command::Backlog(options) => backlog::run(&options, interrupt),
        Command::Errors(options) => errors::run(&options),
        Command::Loss(options) => loss::run(&options),
        Command::Log(options) => log::run(&options),
        Command::Metrics(options) => metrics::run(&options, interrupt),
        Command::Doctor(options) => doctor::run(&options),
        Command::Driver(options) => driver_tool::run(&options, interrupt),
    }
}
