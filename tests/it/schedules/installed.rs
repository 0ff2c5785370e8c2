//! What is installed: into a crontab and a user manager that are real, in rooms of their own.

use super::text;
use crate::support::own_mounts::own_mounts;
use crate::support::runner::{Output, Runner};
use crate::support::scripted::Reply;
use crate::support::session_api::{self, LOGIN, LOGOUT};
use runner::schedule::JobId;
use serde_json::Value;
use std::fs;
use std::path::Path;

const PLAYBOOK: &str = "version: 1
schedule: { cron: 15 3 * * * }
providers: { emnify: {} }
steps:
  - call: emnify.list_devices
";

/// A room with a crontab of its own: nobody's real one is touched.
const OWN_CRONTAB: &str = r#"
set -eu
command -v crontab >/dev/null || { echo "crontab is missing: the Debian package cron has it, ./tests/all installs it"; exit 99; }
mount -t tmpfs tmpfs /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
"#;

/// A room with a systemd of one's own, as after a login.
const OWN_MANAGER: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
mkdir -p -m 700 /run/user/0
if mountpoint -q /sys/fs/cgroup; then
  umount -R /sys/fs/cgroup
else
  mount -t tmpfs tmpfs /sys
  mkdir -p /sys/fs/cgroup
fi
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export XDG_RUNTIME_DIR=/run/user/0 SYSTEMD_IGNORE_CHROOT=1
/lib/systemd/systemd --user >manager.log 2>&1 &
tries=0
until systemctl --user show --property=Version >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 200 ] || { echo "no systemd --user came up"; cat manager.log; exit 99; }
  sleep 0.05
done
"#;

/// Runs a script in a mount namespace of its own. `$RUNNER` is the program; the playbook lies in the working folder.
fn in_room(prelude: &str, script: &str, flags: &[&str]) -> (Runner, Output) {
    playbook_in_room(PLAYBOOK.to_owned(), prelude, script, flags)
}

fn playbook_in_room(playbook: String, prelude: &str, script: &str, flags: &[&str]) -> (Runner, Output) {
    let runner = Runner::of("unshare")
        .file("fleet.yaml", playbook)
        .env("RUNNER", env!("CARGO_BIN_EXE_runner"))
        .args(own_mounts())
        .args(flags.to_vec())
        .args(["sh", "-c", &format!("{prelude}\n{script}")]);
    let output = runner.run();
    (runner, output)
}

fn id(runner: &Runner) -> JobId {
    let folder = fs::canonicalize(runner.dir()).expect("the folder is there");
    JobId::of(folder.join("fleet.yaml").to_str().expect("the sandbox has a plain path"))
}

fn file(runner: &Runner, name: &str) -> String {
    text(&fs::read(runner.dir().join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

#[test]
fn the_real_crontab_takes_an_entry_once_and_keeps_the_rest() {
    let script = r#"
printf '# mine\n\nMAILTO=ops\n0 1 * * *\ttrue # \303\251 \377\n' | crontab -
crontab -l >before
"$RUNNER" schedule install --for crontab fleet.yaml
crontab -l >once
"$RUNNER" schedule install --for crontab fleet.yaml
crontab -l >twice
"$RUNNER" schedule list
sed -i 's/15 3/20 4/' fleet.yaml
"$RUNNER" schedule install --for crontab fleet.yaml
crontab -l >changed
"$RUNNER" schedule remove fleet.yaml
crontab -l >after
"$RUNNER" schedule list
"#;
    let (runner, output) = in_room(OWN_CRONTAB, script, &[]);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let id = id(&runner);
    assert!(file(&runner, "once").contains("\n15 3 * * * cd "), "{}", file(&runner, "once"));
    assert_eq!(file(&runner, "once"), file(&runner, "twice"));
    assert!(
        file(&runner, "changed").contains("\n20 4 * * * cd ") && !file(&runner, "changed").contains("15 3")
    );
    let read = |name: &str| fs::read(runner.dir().join(name)).expect("the file is there");
    assert!(read("once").starts_with(&read("before")), "the lines before are not as they were");
    assert_eq!(read("before"), read("after"), "the rest is not as it was, byte for byte");
    for line in ["now in your crontab", "already in your crontab", "no longer in your crontab"] {
        assert!(output.stdout.contains(&format!("{} is {line}", id.as_str())), "{}", output.stdout);
    }
    assert!(output.stdout.contains(&format!("{}  crontab  ", id.as_str())), "{}", output.stdout);
    assert!(output.stdout.ends_with("nothing is scheduled here by runner\n"), "{}", output.stdout);
    assert!(output.stderr.contains("next times (UTC):"), "{}", output.stderr);
}

#[test]
fn an_entry_that_somebody_has_changed_stays() {
    let script = r#"
"$RUNNER" schedule install --for crontab fleet.yaml
crontab -l | sed 's/^15 3/16 3/' | crontab -
crontab -l >edited
"$RUNNER" schedule install --for crontab fleet.yaml && exit 90 || echo "install: $?"
"$RUNNER" schedule remove fleet.yaml && exit 91 || echo "remove: $?"
"$RUNNER" schedule list
crontab -l >after
"#;
    let (runner, output) = in_room(OWN_CRONTAB, script, &[]);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(
        output.stdout.contains("install: 8\n") && output.stdout.contains("remove: 8\n"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("crontab, changed by hand"), "{}", output.stdout);
    assert!(output.stderr.contains("was changed by hand; look at it with `crontab -e`"), "{}", output.stderr);
    assert_eq!(file(&runner, "edited"), file(&runner, "after"));
}

#[test]
fn cron_goes_by_the_clock_of_its_machine() {
    let script = r#"
mount --bind /usr/share/zoneinfo/Europe/Berlin /etc/localtime
"$RUNNER" schedule print --for crontab fleet.yaml && exit 90 || echo "universal: $?"
sed -i 's/cron: 15 3/timezone: Europe\/Berlin, cron: 15 3/' fleet.yaml
"$RUNNER" schedule print --for crontab fleet.yaml
mount --bind /usr/share/zoneinfo/Asia/Tokyo /etc/localtime
sed -i 's/Europe.Berlin/Asia\/Kolkata/' fleet.yaml
"$RUNNER" schedule print --for crontab fleet.yaml
"#;
    let (_, output) = in_room(OWN_CRONTAB, script, &[]);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("universal: 2\n"), "{}", output.stdout);
    assert!(output.stderr.contains("cron goes by the clock of its machine"), "{}", output.stderr);
    assert!(output.stdout.contains("\n15 3 * * * cd "), "{}", output.stdout);
    // A quarter past three in Kolkata is a quarter to seven in Tokyo.
    assert!(output.stdout.contains("\n45 6 * * * cd "), "{}", output.stdout);
}

#[test]
fn without_cron_and_without_a_manager_it_says_what_to_do() {
    let runner = Runner::new().file("fleet.yaml", PLAYBOOK);
    let install =
        |flags: &[&str]| runner.clone().args(["schedule", "install", "fleet.yaml"]).args(flags.to_vec());
    let cron = install(&["--for", "crontab"]).env("PATH", "/nonexistent").run().exits(8);
    assert!(cron.stderr.contains("there is no command `crontab` here: install cron"), "{}", cron.stderr);
    for path in ["/nonexistent", "/usr/bin:/bin"] {
        let manager = install(&[]).env("PATH", path).run().exits(8);
        for part in [
            "no systemd of your own answers here",
            "`loginctl enable-linger`",
            "--for crontab",
            "--run-as USER",
        ] {
            assert!(manager.stderr.contains(part), "{part}: {}", manager.stderr);
        }
    }
    let listed = runner.clone().args(["schedule", "list"]).env("PATH", "/nonexistent").run().exits(0);
    assert_eq!(listed.stdout, "nothing is scheduled here by runner\n");
    let removed =
        runner.args(["schedule", "remove", "fleet.yaml"]).env("PATH", "/nonexistent").run().exits(2);
    assert!(removed.stderr.contains("nothing is scheduled as runner-fleet-"), "{}", removed.stderr);
}

#[test]
fn what_runs_elsewhere_is_not_installed() {
    let runner = Runner::new().file("fleet.yaml", PLAYBOOK);
    for (flags, part) in [
        (["--for", "kubernetes"], "kubectl apply -f -"),
        (["--for", "github"], "commit it"),
        (["--run-as", "ops"], "/etc/systemd/system"),
    ] {
        let output = runner.clone().args(["schedule", "install", "fleet.yaml"]).args(flags).run().exits(2);
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
}

#[track_caller]
fn assert_systemd() {
    assert!(
        rustix::process::geteuid().is_root() && Path::new("/lib/systemd/systemd").exists(),
        "this starts a systemd of its own, as root, from the Debian package systemd; `./tests/all` installs it"
    );
}

#[test]
fn a_real_user_manager_runs_the_service_that_was_installed() {
    assert_systemd();
    let mut steps = 0;
    let server = session_api::start(move |_| {
        steps += 1;
        Reply::empty(if steps == 1 { 204 } else { 404 })
    });
    let rest = "schedule: { cron: 15 3 * * * }\nreport: { json: report.json }\nsteps: [{ get: /work }]";
    let playbook = session_api::text(&server.base_url(), rest);
    let playbook = playbook.replace("{ env: OWN_KEY }", "{ file: key.txt }");
    let script = r#"
echo key-geheim-0815 >key.txt
chmod 600 key.txt
"$RUNNER" schedule install fleet.yaml
service=$(basename "$XDG_CONFIG_HOME"/systemd/user/runner-*.service)
end() {
  echo "$1: $2 $(systemctl --user show --property=Result --value "$service")" \
    "$(systemctl --user show --property=ExecMainStatus --value "$service")"
  mv report.json "$1.json"
}
systemctl --user start "$service" && started=0 || started=$?
end first "$started"
systemctl --user start "$service" && started=0 || started=$?
end second "$started"
"$RUNNER" history
"#;
    let (room, output) =
        playbook_in_room(playbook, OWN_MANAGER, script, &["-p", "-f", "--mount-proc", "--kill-child"]);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    for part in ["first: 0 success 0\n", "second: 1 exit-code 1\n", " done in ", " failed (exit 1) in "] {
        assert!(output.stdout.contains(part), "{part:?} is not in\n{}\n{}", output.stdout, output.stderr);
    }
    for (name, code) in [("first.json", 0), ("second.json", 1)] {
        let report: Value = serde_json::from_str(&file(&room, name)).expect("a report is JSON");
        assert_eq!(report["exit_code"], code);
    }
    let lines = server.lines();
    assert_eq!(lines, [[LOGIN, "GET /work", LOGOUT]; 2].concat());
}

#[test]
fn a_real_user_manager_takes_a_timer_once_and_gives_it_back() {
    assert_systemd();
    let script = r#"
mkdir "a b 100% \$HOME"
cp fleet.yaml "a b 100% \$HOME/fleet.yaml"
playbook="a b 100% \$HOME/fleet.yaml"
units="$XDG_CONFIG_HOME/systemd/user"
"$RUNNER" schedule install "$playbook"
cp -r "$units" once
"$RUNNER" schedule install "$playbook"
diff -r "$units" once
timer=$(basename "$units"/runner-*.timer)
echo "active: $(systemctl --user is-active "$timer"), enabled: $(systemctl --user is-enabled "$timer")"
systemctl --user show --property=TimersCalendar --value "$timer"
systemctl --user show --property=ExecStart --value "${timer%.timer}.service"
systemctl --user show --property=WorkingDirectory --value "${timer%.timer}.service"
"$RUNNER" schedule list
echo '# mine' >>"$units/${timer%.timer}.service"
"$RUNNER" schedule install "$playbook" && exit 90 || echo "edited: $?"
"$RUNNER" schedule remove "$playbook" && exit 91 || echo "remove: $?"
cp "once/${timer%.timer}.service" "$units/"
"$RUNNER" schedule remove "$playbook"
find "$units" -name 'runner-*'
systemctl --user is-active "$timer" || true
echo "[Unit]" >"$units/${timer%.timer}.service"
"$RUNNER" schedule install "$playbook" && exit 92 || echo "foreign: $?"
cat "$units/${timer%.timer}.service"
"#;
    let (room, output) = in_room(OWN_MANAGER, script, &["-p", "-f", "--mount-proc", "--kill-child"]);
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    let out = &output.stdout;
    let folder = fs::canonicalize(room.dir()).expect("the folder is there");
    let where_it_ran = format!("{}/a b 100% $HOME\n", folder.display());
    for part in [
        ".timer is on, in ",
        ".timer is already there",
        "active: active, enabled: enabled\n",
        "OnCalendar=*-*-* 03:15:00 UTC",
        "apply --no-prompt --quiet ",
        "/a b 100% $HOME/fleet.yaml",
        &where_it_ran,
        "edited: 8\n",
        "remove: 8\n",
        ".timer is gone\ninactive\nforeign: 8\n[Unit]\n",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}\n{}", output.stderr);
    }
    assert!(output.stderr.contains("was changed by hand and is left as it is"), "{}", output.stderr);
    assert!(output.stderr.contains("was not made by runner and is left as it is"), "{}", output.stderr);
    assert!(output.stderr.contains("`loginctl enable-linger` lets it run always"), "{}", output.stderr);
}
