//! What is printed: taken by the programs for which it is made, whatever names and paths hold.

use super::{job, npm_tools, run, schedule, text};
use crate::support::runner::Runner;
use jiff::Timestamp;
use runner::calendar::Zone;
use runner::document::{Overlap, parse};
use runner::schedule::{
    Checkout, CredentialFile, Job, Manager, Needs, SecretFile, Variable, cron_job, entry, units, workflow,
};
use runner::source::{Diagnostics, SourceMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// Paths that mean something to a shell, to YAML, to units, to cron.
const PATHS: [(&str, &str); 6] = [
    ("/srv/fleet", "/srv/fleet/inventory.yaml"),
    ("/srv/a b", "/srv/a b/100% of 'the' \"fleet\" $HOME `id` $(id).yaml"),
    ("/srv/x: y #z", "/srv/x: y #z/&*!|>{}[],?-; rm -rf ~.yaml"),
    ("/srv/%h", "/srv/%h/%n $$ ${HOME} $(HOME).yaml"),
    ("/srv/ünï", "/srv/ünï/日本\u{a0}語.yaml"),
    ("/srv/~", "/srv/~/-x=@+!:.yaml"),
];

/// A title that would be lines of its own.
const TITLE: &str = "Fleet\nExecStart=/bin/false\n[Install]\r\nname: x\u{85}\u{2028}kind: Pod # 50% \\";

/// Jobs with all that a job can have, and every hostile path.
fn jobs() -> Vec<Job> {
    let needs = Needs {
        variables: vec![
            Variable { name: "API_TOKEN".to_owned(), holds: "api.token\nx: y".to_owned(), is_secret: true },
            Variable { name: "API_HOST".to_owned(), holds: "api.host".to_owned(), is_secret: false },
        ],
        credential_files: vec![
            CredentialFile { name: "token".to_owned(), holds: "api.token".to_owned(), is_first: true },
            CredentialFile {
                name: "key.pem".to_owned(),
                holds: "api.key\nUser=root".to_owned(),
                is_first: false,
            },
        ],
        secret_files: ["/run/secrets/tok", "/var/run/secrets/a/b c", "web hook's.txt", "/etc/x: y\nz"]
            .map(|path| SecretFile { path: path.to_owned(), holds: "api.pin\nx: y".to_owned() })
            .to_vec(),
        files: ["body.bin", "data/a b's: #x.bin", "../out.bin"].map(str::to_owned).to_vec(),
        of_people: vec!["api.password".to_owned()],
    };
    let overlaps = [Overlap::Fail, Overlap::Skip, Overlap::Wait];
    let jobs = PATHS.iter().enumerate().map(|(index, (folder, playbook))| Job {
        title: TITLE.to_owned(),
        folder: (*folder).to_owned(),
        playbook: (*playbook).to_owned(),
        flags: vec!["--input".to_owned(), "text=it's $(HOME) a \"100%\" `x`: #y".to_owned()],
        deadline: (index > 0).then_some(Duration::from_secs(600)),
        needs: needs.clone(),
        schedule: runner::plan::PlannedSchedule {
            jitter: Duration::from_secs(300),
            overlap: overlaps[index % 3],
            ..schedule("30 2 13 * fri", "Europe/Berlin")
        },
        ..job(schedule("@daily", "UTC"))
    });
    jobs.chain([job(schedule("@daily", "UTC"))]).collect()
}

/// The words that the program is to get behind its name.
fn expected(job: &Job, jitter: bool, playbook: &str) -> Vec<String> {
    let mut words: Vec<String> = ["apply", "--no-prompt", "--quiet"].map(str::to_owned).to_vec();
    if jitter && !job.schedule.jitter.is_zero() {
        words.extend(["--jitter", "5m"].map(str::to_owned));
    }
    words.extend(job.flags.iter().cloned());
    words.push(playbook.to_owned());
    words
}

/// The words that a shell makes of a command whose program is called `runner`.
fn by_shell(command: &str) -> Vec<String> {
    let script = format!("cd() {{ :; }}\nrunner() {{ printf '%s\\0' \"$@\"; }}\n{command}");
    let output = run(Command::new("sh").args(["-c", &script]).env("HOME", "/home/x"), "dash");
    assert!(output.status.success(), "{command}: {}", text(&output.stderr));
    text(&output.stdout).split_terminator('\0').map(str::to_owned).collect()
}

/// Writes texts into files of a folder.
fn write(folder: &Path, files: &[(String, String)]) -> Vec<PathBuf> {
    let paths = files.iter().map(|(name, text)| {
        let path = folder.join(name);
        fs::write(&path, text).expect("the folder is writable");
        path
    });
    paths.collect()
}

/// What systemd says of unit files, as of those of its user or of the system.
fn verify(flag: &str, runtime: &Path, files: &[PathBuf]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", flag]).args(files).env("XDG_RUNTIME_DIR", runtime);
    run(&mut command, "systemd")
}

#[test]
fn units_pass_the_verification_of_systemd() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (manager, flag) in [(Manager::User, "--user"), (Manager::System { user: "root" }, "--system")] {
        for job in jobs() {
            let units = units(&job, manager).expect("the job can be said");
            let id = job.id();
            let name = |ending| format!("{}.{ending}", id.as_str());
            let files =
                write(folder.path(), &[(name("service"), units.service), (name("timer"), units.timer)]);
            let output = verify(flag, folder.path(), &files);
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{}: {}",
                job.playbook,
                text(&output.stderr)
            );
        }
    }
}

#[test]
fn the_verification_of_systemd_sees_mistakes() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let units = units(&job(schedule("@daily", "UTC")), Manager::User).expect("the job can be said");
    let service = units.service.replace("/usr/bin/true", "/usr/bin/no-such-program");
    let files = write(folder.path(), &[("x.service".to_owned(), service)]);
    let said = text(&verify("--user", folder.path(), &files).stderr);
    assert!(said.contains("no-such-program"), "{said}");
}

#[test]
fn names_and_paths_add_no_line_to_a_unit() {
    let key = |line: &str| line.split(['=', ' ']).next().unwrap_or_default().to_owned();
    let keys = |job: &Job| {
        let units = units(job, Manager::User).expect("the job can be said");
        format!("{}{}", units.service, units.timer).lines().map(key).collect::<Vec<_>>()
    };
    let jobs = jobs();
    let plain = keys(&Job { title: "Fleet".to_owned(), ..jobs[0].clone() });
    for job in &jobs[..PATHS.len()] {
        assert_eq!(keys(job), plain, "{}", job.playbook);
    }
}

#[test]
fn what_no_form_can_carry_is_refused() {
    let now = Timestamp::UNIX_EPOCH;
    for path in ["/srv/a\nb.yaml", "/srv/a\\b.yaml", "/srv/a\u{7}.yaml", "/srv/a.yaml "] {
        let job = Job { playbook: path.to_owned(), ..job(schedule("@daily", "UTC")) };
        assert!(units(&job, Manager::User).is_err(), "{path:?}");
        if !path.ends_with(' ') {
            assert!(entry(&job, &Zone::utc(), now).is_err(), "{path:?}");
        }
    }
    let job = job(schedule("@daily", "UTC"));
    assert!(units(&job, Manager::System { user: "root\nExecStart=x" }).is_err());
    let long = Job { flags: vec!["x".repeat(1_000)], ..job.clone() };
    assert!(entry(&long, &Zone::utc(), now).unwrap_err().to_string().contains("too long"));
    let checkout = Checkout { folder: ".".to_owned(), file: "./${{ secrets.X }}.yaml".to_owned() };
    assert!(workflow(&job, &checkout, "runner").unwrap_err().to_string().contains("expression"));
    let with_file = Job { flags: vec!["--env-file".to_owned(), "/etc/x".to_owned()], ..job };
    assert!(cron_job(&with_file, "runner").unwrap_err().to_string().contains("--env-file"));
}

#[test]
fn the_shell_of_cron_gets_the_words_that_are_meant() {
    for job in jobs() {
        let job = Job { program: "runner".to_owned(), ..job };
        let zone = Zone::named("Europe/Berlin").expect("the zone is known");
        let machine = if job.schedule.zone.name() == "UTC" { Zone::utc() } else { zone };
        let entry = entry(&job, &machine, Timestamp::UNIX_EPOCH).expect("the job can be said");
        let (comments, lines): (Vec<&str>, Vec<&str>) =
            entry.lines().partition(|line| line.starts_with("# "));
        assert!(comments.len() >= 2 && lines.len() == 1, "{entry}");
        let command = lines[0].splitn(6, ' ').nth(5).expect("five fields come before");
        // What cron does: it ends the command at a `%`, unless a backslash stands before it.
        assert!(!command.replace("\\%", "").contains('%'), "{command}");
        assert_eq!(by_shell(&command.replace("\\%", "%")), expected(&job, true, &job.playbook));
    }
}

/// A judge of `tests/tools`: what it says of each file.
fn judged(judge: &str, files: &[PathBuf]) -> Vec<String> {
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools").join(judge);
    let output = run(Command::new("node").arg(judge).arg(npm_tools()).args(files), "nodejs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), files.len(), "not each file was judged: {lines:?}");
    lines
}

#[test]
fn cron_jobs_fulfil_the_types_of_kubernetes() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let manifests: Vec<String> =
        jobs().iter().map(|job| cron_job(job, "registry/a: b@1").expect("it can be said")).collect();
    for (job, manifest) in jobs().iter().zip(&manifests) {
        let mut sources = SourceMap::default();
        let file = sources.add("manifest".to_owned(), manifest.clone());
        let read = parse(&sources, file, &mut Diagnostics::default()).expect("it is YAML").to_json();
        let spec = &read["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        assert_eq!(read["kind"], "CronJob");
        assert_eq!(read["spec"]["timeZone"], job.schedule.zone.name());
        assert_eq!(read["spec"]["concurrencyPolicy"], "Forbid");
        assert_eq!(spec["containers"].as_array().map(Vec::len), Some(1));
        assert_eq!(spec["containers"][0]["image"], "registry/a: b@1");
        let mut words = expected(job, true, "/playbook/playbook.yaml");
        words.splice(1..1, ["--state-dir", "/state/runner"].map(str::to_owned));
        // The cluster replaces `$(NAME)`, and takes `$$` for a dollar that stays.
        let words: Vec<String> = words.iter().map(|word| word.replace("$(", "$$(")).collect();
        assert_eq!(spec["containers"][0]["args"], serde_json::json!(words), "{manifest}");
    }
    let named = |(index, text): (usize, &String)| (format!("{index}.yaml"), text.clone());
    let mut files: Vec<(String, String)> = manifests.iter().enumerate().map(named).collect();
    files.push(("wrong.yaml".to_owned(), manifests[0].replace("backoffLimit", "backofLimit")));
    let mut judgements = judged("cronjob.cjs", &write(folder.path(), &files));
    assert!(judgements.pop().is_some_and(|wrong| wrong.contains("backofLimit")));
    assert!(judgements.iter().all(|judgement| judgement.starts_with("accepted ")), "{judgements:#?}");
}

#[test]
fn workflows_are_read_by_github_and_the_shell_as_they_are_meant() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let jobs = jobs();
    let file_of = |job: &Job| format!("./{}", job.playbook.rsplit('/').next().unwrap_or_default());
    let workflow_of = |job: &Job| {
        let checkout = Checkout { folder: "a: b/#c %".to_owned(), file: file_of(job) };
        workflow(job, &checkout, "registry/a: b@1").expect("it can be said")
    };
    let mut files: Vec<(String, String)> =
        jobs.iter().enumerate().map(|(index, job)| (format!("{index}.yml"), workflow_of(job))).collect();
    files.push(("wrong.yml".to_owned(), workflow_of(&jobs[0]).replace("timeout-minutes", "timeout-minute")));
    let mut judgements = judged("workflow.mjs", &write(folder.path(), &files));
    assert!(judgements.pop().is_some_and(|wrong| wrong.contains("Unexpected value 'timeout-minute'")));
    for (job, judgement) in jobs.iter().zip(judgements) {
        assert!(judgement.starts_with("accepted "), "{judgement}");
        let command = judgement.splitn(3, ' ').nth(2).expect("the command comes third");
        let command: String = serde_json::from_str(command).expect("it is JSON");
        assert_eq!(by_shell(&command), expected(job, true, &file_of(job)));
    }
}

const PLAYBOOK: &str = "version: 1
name: Fleet
deadline: 10m
schedule: { cron: 30 2 * * *, timezone: Europe/Berlin, jitter: 5m, overlap: skip }
inputs: { days: { type: integer } }
providers:
  emnify: { credentials: { application_token: { from: [{ file: $CREDENTIALS_DIRECTORY/token }, { env: TOKEN }] } } }
steps:
  - call: emnify.list_devices
";

#[test]
fn print_says_what_to_paste_and_when_it_runs() {
    let runner = Runner::new().file("fleet.yaml", PLAYBOOK).args([
        "schedule",
        "print",
        "--input",
        "days=3",
        "fleet.yaml",
    ]);
    let output = runner.clone().run().exits(0);
    for line in [
        "OnCalendar=*-*-* 02:30:00 Europe/Berlin",
        "Persistent=true",
        "RandomizedDelaySec=300s",
        "TimeoutStartSec=660",
        "TimeoutStopSec=60",
        "LoadCredential=token:%E/runner/credentials/token",
        "#   TOKEN  emnify.application_token",
    ] {
        assert!(output.stdout.lines().any(|it| it == line), "{line} is not in\n{}", output.stdout);
    }
    assert!(output.stderr.contains("next times (Europe/Berlin):"), "{}", output.stderr);
    assert_eq!(
        output.stderr.lines().filter(|line| line.contains(" 02:30 +0")).count(),
        5,
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("a time that is left out is skipped"), "{}", output.stderr);
    let system = runner.clone().args(["--run-as", "ops"]).run().exits(0);
    assert!(system.stdout.contains("User=ops\nStateDirectory=runner-ops\n"), "{}", system.stdout);
    let github = runner.args(["--for", "github"]).run().exits(0);
    assert!(github.stdout.contains("TOKEN: ${{ secrets.TOKEN }}"), "{}", github.stdout);
    assert!(github.stdout.contains("      timezone: \"Europe/Berlin\"\n"), "{}", github.stdout);
}

#[test]
fn what_would_fail_at_night_is_refused_by_day() {
    let runner = Runner::new().file("fleet.yaml", PLAYBOOK).args(["schedule", "print", "fleet.yaml"]);
    let missing = runner.clone().run().exits(2);
    assert!(missing.stderr.contains("the input `days` has no value"), "{}", missing.stderr);
    // The environment of this shell is gone by then.
    let of_shell = runner.clone().env("RUNNER_INPUT_DAYS", "3").run().exits(2);
    assert!(of_shell.stderr.contains("a scheduled run has no RUNNER_INPUT_DAYS"), "{}", of_shell.stderr);
    let kept = runner.clone().file(".env", "RUNNER_INPUT_DAYS=3\n");
    kept.clone().run().exits(0);
    let elsewhere = kept.args(["--for", "kubernetes"]).run().exits(2);
    assert!(elsewhere.stderr.contains("a scheduled run has no RUNNER_INPUT_DAYS"), "{}", elsewhere.stderr);
    let none = Runner::new().file(
        "fleet.yaml",
        PLAYBOOK
            .replace("schedule: {", "x: {")
            .replace("x: { cron: 30 2 * * *, timezone: Europe/Berlin, jitter: 5m, overlap: skip }\n", ""),
    );
    let none = none.args(["schedule", "print", "--input", "days=3", "fleet.yaml"]).run().exits(2);
    assert!(none.stderr.contains("has no `schedule`: write for example"), "{}", none.stderr);
}

const NEEDS: &str = "version: 1
name: Needs
schedule: { cron: 0 4 * * * }
secrets:
  switch: { from: [{ env: SWITCH }] }
  pin: { from: [stored, prompt] }
  note: { from: [{ file: note.txt }] }
providers:
  acme:
    use: ./acme.yaml
steps:
  - { post: /devices, file: body.bin }
  - { post: /notes, json: { note: '${{ secrets.note }}', pin: '${{ secrets.pin }}' } }
report: { ping: '${{ secrets.switch }}' }
";

const DEFINITION: &str = "version: 1
provider: acme
description: a test
base_url: https://acme.test
credentials:
  token: { from: [{ file: /run/secrets/tok }] }
  key: { from: [{ file: $CREDENTIALS_DIRECTORY/key }] }
auth: { send: { headers: { Authorization: 'Bearer ${{ credentials.token }}', X-Key: '${{ credentials.key }}' } } }
";

/// Whoever pastes a schedule reads in it what the playbook does not bring along.
#[test]
fn each_form_says_or_mounts_what_the_playbook_needs() {
    let runner = Runner::new().file("needs.yaml", NEEDS).file("acme.yaml", DEFINITION).file("body.bin", "x");
    for (form, lines) in [
        (
            "crontab",
            &[
                "#   SWITCH  secrets.switch",
                "# A line CREDENTIALS_DIRECTORY=FOLDER above this one names the folder that has these files:",
                "#   key  acme.key",
                "#   /run/secrets/tok  acme.token",
                "#   note.txt  secrets.note",
            ][..],
        ),
        (
            "systemd",
            &[
                "#   SWITCH  secrets.switch",
                "LoadCredential=key:%E/runner/credentials/key",
                "#   /run/secrets/tok  acme.token",
            ],
        ),
        (
            "kubernetes",
            &[
                "#           SWITCH  secrets.switch",
                "#           tok  acme.token",
                "                  mountPath: /run/secrets",
                "                  mountPath: /run/credentials",
                "                - name: CREDENTIALS_DIRECTORY",
                "                        - { key: \"body.bin\", path: \"body.bin\" }",
                "                        - { key: \"acme.yaml\", path: \"acme.yaml\" }",
                "                        - { key: \"note.txt\", path: \"note.txt\" }",
            ],
        ),
        (
            "github",
            &[
                "          SWITCH: ${{ secrets.SWITCH }} # secrets.switch",
                "          FILE_TOK: ${{ secrets.FILE_TOK }} # acme.token",
                "          CREDENTIALS_DIRECTORY: /run/credentials",
                "      # Has to be in the repository, beside the playbook: body.bin",
                "      # Has to be in the repository, beside the playbook: acme.yaml",
            ],
        ),
    ] {
        let output = runner.clone().args(["schedule", "print", "--for", form, "needs.yaml"]).run().exits(0);
        for line in lines {
            assert!(output.stdout.lines().any(|it| it == *line), "{line} is not in\n{}", output.stdout);
        }
        let warning = "warning: secrets.pin comes from the keychain or a person only";
        assert_eq!(output.stderr.matches("warning: ").count(), 1, "{}", output.stderr);
        assert!(output.stderr.contains(warning), "{}", output.stderr);
    }
}

/// The step of a workflow that writes secrets into files is run by a real shell.
#[test]
fn a_workflow_writes_the_files_of_secrets() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = "a b/web hook's.txt";
    let secret_files = vec![SecretFile { path: path.to_owned(), holds: "api.pin".to_owned() }];
    let job = Job { needs: Needs { secret_files, ..Needs::default() }, ..job(schedule("@daily", "UTC")) };
    let checkout = Checkout { folder: ".".to_owned(), file: "./p.yaml".to_owned() };
    let text = workflow(&job, &checkout, "runner").expect("it can be said");
    let mut sources = SourceMap::default();
    let file = sources.add("workflow".to_owned(), text.clone());
    let read = parse(&sources, file, &mut Diagnostics::default()).expect("it is YAML").to_json();
    let step = &read["jobs"]["run"]["steps"][1];
    let name = "FILE_WEB_HOOK_S_TXT";
    assert_eq!(step["env"][name], format!("${{{{ secrets.{name} }}}}"), "{text}");
    let script = step["run"].as_str().expect("a script");
    let mut shell = Command::new("sh");
    shell.args(["-ec", script]).env(name, "line 1\n$HOME `id`\n").current_dir(folder.path());
    assert!(run(&mut shell, "dash").status.success(), "{script}");
    assert_eq!(fs::read_to_string(folder.path().join(path)).unwrap(), "line 1\n$HOME `id`\n");
}
