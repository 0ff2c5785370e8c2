//! What can be typed: types of the command line only.

use super::schema::SchemaKind;
use super::validate::Format;
use crate::document::{Overlap, Time};
use crate::model::path_form;
use crate::plan::ReportForm;
use crate::simulate::Provider;
use clap::builder::PossibleValue;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "runner",
    version,
    about = "Runs YAML playbooks against authenticated HTTP APIs",
    long_about = "Runs YAML playbooks against authenticated HTTP APIs: checks the whole playbook before anything is \
                  sent, signs in, keeps the session alive, retries what may be retried, closes the session again \
                  whatever happens, and reports. Secrets show nowhere.",
    after_help = "Try it without an account:  runner apply --simulate playbooks/quickstart.yaml",
    after_long_help = "Try it without an account:\n  runner apply --simulate playbooks/quickstart.yaml\n\n\
                       Exit codes:\n  \
                       0 done                      5 unknown whether a write happened: do not blindly run again\n  \
                       1 a step failed             7 done, but cleanup or logout failed\n  \
                       2 invalid playbook, usage   8 this machine: disk, file, keychain\n  \
                       3 could not sign in         9 the deadline passed\n  \
                       4 unavailable, run again   70 a bug in runner\n \
                       75 another run is at work   128+n ended by signal n",
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How much is logged to standard error, and how.
#[derive(Debug, Clone, Copy, Args)]
pub struct LogArgs {
    /// Log each request to standard error; `-vv` also what libraries say, `-vvv` everything
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 900)]
    pub verbose: u8,
    /// Form of the log; with `json`, warnings and errors of a run are lines of the log too
    #[arg(
        long,
        global = true,
        value_name = "FORM",
        default_value = "text",
        hide_default_value = true,
        display_order = 901
    )]
    pub log_format: LogFormat,
}

impl LogArgs {
    /// Whether anything is logged, so that nothing else may move on standard error.
    pub fn is_on(self) -> bool {
        self.verbose > 0 || self.holds_messages()
    }

    /// Whether the log alone tells warnings and errors: each line of it is to be JSON.
    pub fn holds_messages(self) -> bool {
        self.log_format == LogFormat::Json
    }
}

/// The form of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object in each line.
    Json,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a playbook, then run it
    Apply(Box<ApplyArgs>),
    /// Go on with a run that was killed or has failed, without doing anything twice
    Resume(ResumeArgs),
    /// Say what became of a write of which nobody knew whether it was done
    Resolve(ResolveArgs),
    /// Write the report of a past run, in any form
    Report(ReportArgs),
    /// List past runs, or remove their journals
    History(HistoryArgs),
    /// Check playbooks and provider definitions; sends nothing
    Validate(ValidateArgs),
    /// Keep simulated providers up on this machine, to try things out
    Simulate(SimulateArgs),
    /// List the providers that are built in
    Providers,
    /// Show what a provider can do and which credentials it needs
    Show(ShowArgs),
    /// Let a playbook run by itself: units of systemd, a crontab, Kubernetes, GitHub
    Schedule(ScheduleArgs),
    /// Print the JSON Schema of playbooks, provider definitions, reports or journals
    Schema(SchemaArgs),
    /// Sign in to a provider and keep the credentials in the keychain
    Login(LoginArgs),
    /// Close what killed runs have left open at a provider; `--clear` forgets its credentials
    Logout(LogoutArgs),
    /// Show where credentials would be found, never their values, and open sessions
    Status(StatusArgs),
}

/// `runner apply`
#[derive(Debug, Clone, Serialize, Deserialize, Args)]
#[command(after_help = "Examples:\n  \
                        runner apply --simulate playbooks/quickstart.yaml\n  \
                        runner apply --dry-run playbooks/emnify/device-inventory.yaml\n  \
                        runner apply --input days=30 --report json=report.json playbooks/quickstart.yaml")]
pub struct ApplyArgs {
    /// The playbook, a YAML file
    #[serde(with = "path_form")]
    pub playbook: PathBuf,
    /// Value of an input that the playbook declares; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub input: Vec<(String, String)>,
    /// What the playbook may look at
    #[command(flatten)]
    pub around: AroundArgs,
    /// Which stored credentials to use, for all providers or for one; can be repeated
    #[arg(long, value_name = "[PROVIDER=]PROFILE")]
    pub profile: Vec<String>,
    /// Address of a provider's API, instead of its own; can be repeated
    #[arg(long, value_name = "PROVIDER=URL", value_parser = pair)]
    pub base_url: Vec<(String, String)>,
    /// Address for signing in, where that is another one; can be repeated
    #[arg(long, value_name = "PROVIDER=URL", value_parser = pair)]
    pub auth_base_url: Vec<(String, String)>,
    /// Run this step only (its id or name); can be repeated
    #[arg(long, value_name = "STEP")]
    pub only: Vec<String>,
    /// Skip the steps before this one (its id or name)
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
    /// Show every request and the source of every secret; sends nothing. Not with `--simulate` or `--report`
    #[arg(long, conflicts_with_all = ["simulate", "report"])]
    pub dry_run: bool,
    /// Run against simulated providers on this machine: needs no account, touches nothing real
    #[arg(long, conflicts_with_all = ["base_url", "auth_base_url", "profile", "env_file"])]
    pub simulate: bool,
    /// Write a report as json, junit, html or har; with `-` as FILE to standard output; can be repeated
    #[arg(long, value_name = "FORM=FILE")]
    pub report: Vec<ReportTarget>,
    /// Never ask; a secret that only a person knows is missing then
    #[arg(long)]
    pub no_prompt: bool,
    /// Say nothing when all is well, and in one paragraph what is wrong when it is not; warnings stay in the reports
    #[arg(short, long, conflicts_with_all = ["verbose", "log_format", "dry_run"])]
    pub quiet: bool,
    /// When and how long it runs
    #[command(flatten)]
    pub timing: TimingArgs,
    /// What outlives the run
    #[command(flatten)]
    pub state: StateArgs,
}

/// When a run begins, and when it ends at the latest.
#[derive(Debug, Clone, Serialize, Deserialize, Args)]
pub struct TimingArgs {
    /// What to do while another run of this playbook and account is at work, instead of what its `schedule` says
    #[arg(long, value_name = "WAY", conflicts_with_all = ["simulate", "dry_run"])]
    pub overlap: Option<Overlap>,
    /// Begin after a random time up to this one (`5m`), so that not all begin at once
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "dry_run")]
    pub jitter: Option<Duration>,
    /// How long the run may take (`30m`), instead of the playbook's `deadline`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub deadline: Option<Duration>,
}

impl ValueEnum for Overlap {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Fail, Self::Skip, Self::Wait]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Fail => "end at once with exit code 75",
            Self::Skip => "end at once with exit code 0",
            Self::Wait => "begin when the other one has ended",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}

/// Where that lies which outlives the process: journals, open sessions, refused logins, locks.
#[derive(Debug, Clone, Serialize, Deserialize, Args)]
pub struct StateArgs {
    /// Folder for journals and locks, instead of $STATE_DIRECTORY, $XDG_STATE_HOME/runner or ~/.local/state/runner
    #[arg(long, value_name = "DIR")]
    #[serde(with = "path_form::optional", default)]
    pub state_dir: Option<PathBuf>,
}

/// What a playbook may look at besides its own folder.
#[derive(Debug, Clone, Serialize, Deserialize, Args)]
pub struct AroundArgs {
    /// File with environment variables, instead of `.env` beside the playbook
    #[arg(long, value_name = "FILE")]
    #[serde(with = "path_form::optional", default)]
    pub env_file: Option<PathBuf>,
    /// Let the playbook read files in this folder, too, besides its own folder and /run/secrets; can be repeated
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub allow_read: Vec<PathBuf>,
}

/// A report that is to be written besides the one for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTarget {
    /// Its form.
    pub form: ReportForm,
    /// Where it goes.
    pub place: ReportPlace,
}

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportPlace {
    /// To standard output, instead of the report for people.
    Stdout,
    /// Into a file.
    File(PathBuf),
}

impl fmt::Display for ReportPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl FromStr for ReportTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected FORM=FILE, or FORM=- for standard output, with one of the forms json, junit, html, har";
        let (form, place) = text.split_once('=').ok_or_else(expected)?;
        let form = ReportForm::of_name(form).ok_or_else(expected)?;
        match place {
            "" => Err(expected().to_owned()),
            "-" => Ok(Self { form, place: ReportPlace::Stdout }),
            file => Ok(Self { form, place: ReportPlace::File(file.into()) }),
        }
    }
}

/// `runner resume`
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  runner resume 01JD8Y3K")]
pub struct ResumeArgs {
    /// The run: the first characters of its id, or `last`
    pub run: String,
    /// Give the run up: only clean up after it, begin no step
    #[arg(long)]
    pub clean_up: bool,
    /// Go on although the playbook has changed since the run began; steps whose writes were done must be what they were
    #[arg(long)]
    pub changed_playbook: bool,
    /// Go on although profile, address, settings or the user's name are others than when the run began
    #[arg(long)]
    pub changed_account: bool,
    /// What to do while another run of this playbook and account is at work
    #[arg(long, value_name = "WAY", default_value = "fail")]
    pub overlap: Overlap,
    /// Never ask; a secret that only a person knows is missing then
    #[arg(long)]
    pub no_prompt: bool,
    /// Where the journal is
    #[command(flatten)]
    pub state: StateArgs,
}

/// `runner resolve`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  runner resolve 01JD8Y3K order --done --output id=4711\n  runner resolve 01JD8Y3K order --retry",
    group = clap::ArgGroup::new("resolution").required(true)
)]
pub struct ResolveArgs {
    /// The run: the first characters of its id, or `last`
    pub run: String,
    /// The step, as the error names it
    pub step: String,
    /// The provider shows that it was done: do not send it again
    #[arg(long, group = "resolution")]
    pub done: bool,
    /// What it has brought, as the provider shows it: JSON, or else a text; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "retry")]
    pub output: Vec<(String, String)>,
    /// The provider shows that it was not done: send it again
    #[arg(long, group = "resolution")]
    pub retry: bool,
    /// Where the journal is
    #[command(flatten)]
    pub state: StateArgs,
}

/// `runner report`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  runner report last\n  runner report 01JD8Y3K --format html --output report.html"
)]
pub struct ReportArgs {
    /// The run: the first characters of its id, or `last`
    pub run: String,
    /// Its form: json, junit, html or har; without it the report for people
    #[arg(long, value_name = "FORM", value_parser = report_form)]
    pub format: Option<ReportForm>,
    /// Into this file, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where the journal is
    #[command(flatten)]
    pub state: StateArgs,
}

fn report_form(name: &str) -> Result<ReportForm, String> {
    ReportForm::of_name(name).ok_or_else(|| "expected json, junit, html or har".to_owned())
}

/// `runner history`
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct HistoryArgs {
    /// What else to do
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,
    /// How many runs, the newest
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Form of the list
    #[arg(long, value_name = "FORM", default_value = "human", hide_default_value = true)]
    pub format: HistoryFormat,
    /// Where the journals are
    #[command(flatten)]
    pub state: StateArgs,
}

/// The form of the list of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    /// Lines for people.
    Human,
    /// One JSON object in each line.
    Json,
}

/// What else `runner history` does.
#[derive(Debug, Clone, Subcommand)]
pub enum HistoryCommand {
    /// Remove the journals of runs that have come to their end; what may be gone on with stays
    Prune(PruneArgs),
}

/// `runner history prune`
#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub struct PruneArgs {
    /// Those that began longer ago than this (`30d`)
    #[arg(long, value_name = "DURATION", value_parser = duration, group = "which")]
    pub older_than: Option<Duration>,
    /// All but the newest N
    #[arg(long, value_name = "N", group = "which")]
    pub keep: Option<usize>,
    /// Also those that were killed or ended with an unknown write; never a damaged one
    #[arg(long)]
    pub unfinished: bool,
    /// Where the journals are
    #[command(flatten)]
    pub state: StateArgs,
}

/// `runner validate`
#[derive(Debug, Clone, Args)]
pub struct ValidateArgs {
    /// Playbooks, provider definitions, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What the playbooks may look at
    #[command(flatten)]
    pub around: AroundArgs,
    /// Form of the findings
    #[arg(long, value_name = "FORM", default_value = "human", hide_default_value = true)]
    pub format: Format,
}

/// `runner simulate`
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  runner simulate emnify --devices 5000\n\
                        It prints what to set in another terminal, and how to run a playbook against it.")]
pub struct SimulateArgs {
    /// Which ones
    #[arg(required = true, value_name = "PROVIDER")]
    pub providers: Vec<Provider>,
    /// How many devices, SIMs or virtual machines there are
    #[arg(long, value_name = "N")]
    pub devices: Option<usize>,
    /// How many seconds an access token lives, instead of the provider's own time
    #[arg(long, value_name = "SECONDS")]
    pub token_life: Option<u64>,
    /// Port of the first address; the others follow. Without it, free ports are taken
    #[arg(long)]
    pub port: Option<u16>,
}

/// `runner show`
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// soracom, emnify, echome, simpleiot, or the file of a definition of your own
    #[arg(value_name = "PROVIDER")]
    pub provider: String,
    /// Print the whole definition, to read or to begin one of your own with
    #[arg(long)]
    pub yaml: bool,
}

/// `runner schema`
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// Of what
    pub kind: SchemaKind,
}

/// `runner schedule`
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
                        runner schedule print fleet.yaml\n  \
                        runner schedule print --for kubernetes fleet.yaml | kubectl apply -f -\n  \
                        runner schedule install --for crontab fleet.yaml")]
pub struct ScheduleArgs {
    /// What to do about schedules.
    #[command(subcommand)]
    pub command: ScheduleCommand,
}

/// The subcommands of `runner schedule`.
#[derive(Debug, Clone, Subcommand)]
pub enum ScheduleCommand {
    /// Print what a scheduler needs to run the playbook as its `schedule` says, and the next five times
    Print(ScheduleJobArgs),
    /// Put it into your own systemd or crontab; an entry that is there is replaced
    Install(ScheduleJobArgs),
    /// List what was installed here
    List,
    /// Take out what was installed here
    Remove(ScheduleRemoveArgs),
}

/// Which playbook is run by whom.
#[derive(Debug, Clone, Args)]
pub struct ScheduleJobArgs {
    /// The playbook, a YAML file with the key `schedule`
    pub playbook: PathBuf,
    /// Who runs it
    #[arg(long = "for", value_name = "SCHEDULER", default_value = "systemd")]
    pub scheduler: Scheduler,
    /// Value of an input that the playbook declares, in each run; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub input: Vec<(String, String)>,
    /// Which stored credentials to use, for all providers or for one; can be repeated
    #[arg(long, value_name = "[PROVIDER=]PROFILE")]
    pub profile: Vec<String>,
    /// What the playbook may look at
    #[command(flatten)]
    pub around: AroundArgs,
    /// Folder for what outlives a run, in each run
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Units for the system's systemd, which runs them as this user
    #[arg(long, value_name = "USER")]
    pub run_as: Option<String>,
    /// The container image that has runner in it, for kubernetes and github
    #[arg(long, default_value = "REPLACE-ME/runner:latest")]
    pub image: String,
}

/// Which entry is taken out.
#[derive(Debug, Clone, Args)]
pub struct ScheduleRemoveArgs {
    /// The playbook, or the name that `runner schedule list` shows
    #[arg(value_name = "PLAYBOOK|NAME")]
    pub job: String,
    /// Where; both, if not said
    #[arg(long = "for", value_name = "SCHEDULER")]
    pub scheduler: Option<Scheduler>,
}

/// Who runs playbooks when their time comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// A timer and a service.
    Systemd,
    /// A line for cron.
    Crontab,
    /// A CronJob.
    Kubernetes,
    /// A workflow of GitHub Actions.
    Github,
}

/// Whose provider is meant.
#[derive(Debug, Clone, Args)]
pub struct SubjectArgs {
    /// Take the provider as this playbook has it: a definition of your own, or a built-in one with the playbook's settings
    #[arg(long, value_name = "FILE")]
    pub playbook: Option<PathBuf>,
    /// Value of an input that the playbook's provider needs; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, requires = "playbook")]
    pub input: Vec<(String, String)>,
    /// What the playbook may look at
    #[command(flatten)]
    pub around: AroundArgs,
    /// What outlives the command
    #[command(flatten)]
    pub state: StateArgs,
}

/// `runner login`
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
                        runner login emnify\n  \
                        runner login acme --playbook playbooks/own-api.yaml")]
pub struct LoginArgs {
    /// The provider: one that is built in, or one of the playbook
    pub provider: String,
    /// Whose provider it is
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// Under which name the credentials are kept
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The way to sign in, where the provider has several
    #[arg(long)]
    pub method: Option<String>,
    /// Address of the API, instead of the provider's own
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Address for signing in, where that is another one
    #[arg(long, value_name = "URL")]
    pub auth_base_url: Option<String>,
    /// Sign in over plain http, too: anyone on the way can read the credentials
    #[arg(long, conflicts_with = "playbook")]
    pub allow_http: bool,
}

/// `runner logout`
#[derive(Debug, Clone, Args)]
pub struct LogoutArgs {
    /// The provider: one that is built in, or one of the playbook
    pub provider: String,
    /// Whose provider it is
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// Under which name the credentials are kept
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Forget the credentials in the keychain, too
    #[arg(long)]
    pub clear: bool,
}

/// `runner status`
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// The provider; without it all that are built in, or all of the playbook
    pub provider: Option<String>,
    /// Whose provider it is
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// Under which name the credentials are kept
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// `NAME=VALUE`
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// A time above nothing: `30s`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    match Time::parse(text) {
        Some(Time(time)) if time.is_zero() => {
            Err("a time of nothing leaves no time to do anything".to_owned())
        }
        Some(Time(time)) => Ok(time),
        None => Err("write a number and ms, s, m, h or d: `500ms`, `10s`, `1h30m`".to_owned()),
    }
}

/// A folder that is there.
fn folder(text: &str) -> Result<PathBuf, String> {
    let folder = PathBuf::from(text);
    if folder.is_dir() { Ok(folder) } else { Err("there is no such folder".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn apply(arguments: &[&str]) -> Result<ApplyArgs, clap::Error> {
        let command_line = ["runner", "apply", "p.yaml"].iter().chain(arguments);
        Cli::try_parse_from(command_line).map(|cli| match cli.command {
            Command::Apply(arguments) => *arguments,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_value_may_hold_an_equals_sign_and_be_empty() {
        let arguments = apply(&["--input", "filter=a=b", "--input", "empty="]).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(arguments.input, [pair("filter", "a=b"), pair("empty", "")]);
        assert!(apply(&["--input", "=b"]).is_err());
        assert!(apply(&["--input", "b"]).is_err());
    }

    #[test]
    fn a_deadline_of_nothing_is_refused_for_what_it_is() {
        let refusal = |time| apply(&["--deadline", time]).unwrap_err().to_string();
        for nothing in ["0s", "0ms", "0h0m"] {
            let said = refusal(nothing);
            assert!(said.contains("a time of nothing leaves no time to do anything"), "{said}");
        }
        for no_time in ["0", "5", "soon"] {
            assert!(refusal(no_time).contains("write a number and ms, s, m, h or d"), "{no_time}");
        }
    }

    #[test]
    fn a_report_goes_to_a_file_or_to_standard_output() {
        let arguments = apply(&["--report", "json=out/a=b.json", "--report", "json=-"]).unwrap();
        let json = |place| ReportTarget { form: ReportForm::Json, place };
        let file = ReportPlace::File("out/a=b.json".into());
        assert_eq!(arguments.report, [json(file), json(ReportPlace::Stdout)]);
        for wrong in ["json", "json=", "xml=a", "out.json"] {
            assert!(apply(&["--report", wrong]).is_err(), "{wrong}");
        }
        let error = apply(&["--report", "xml=a"]).unwrap_err().to_string();
        assert!(error.contains("one of the forms json, junit, html, har"), "{error}");
    }

    #[test]
    fn a_simulated_run_takes_no_address_and_no_profile() {
        for flags in [["--base-url", "emnify=http://x"], ["--profile", "x"]] {
            assert!(apply(&[&["--simulate"], &flags[..]].concat()).is_err(), "{flags:?}");
        }
    }
}
