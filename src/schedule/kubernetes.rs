//! A CronJob of Kubernetes (batch/v1).

use super::job::{Job, Unsayable, short_name};
use super::needs::Needs;
use super::text::{one_line, yaml_quoted};
use crate::document::Overlap;
use crate::model::words::shell_quoted;
use std::fmt::Write;

/// Where the playbook lies in the container.
const PLAYBOOK: &str = "/playbook/playbook.yaml";
/// Made by the program itself below a volume: it wants a state folder of its own.
const STATE: &str = "/state/runner";

/// The manifest. `image` is the container image that has `runner` in it.
///
/// # Errors
/// When a flag names what a cluster does not have.
pub fn cron_job(job: &Job, image: &str) -> Result<String, Unsayable> {
    job.refuse_flags_of_here("a CronJob")?;
    let name = short_name(&job.playbook);
    let files = PodFiles::of(&job.needs);
    let mut words = job.arguments(PLAYBOOK, false);
    words.splice(1..1, ["--state-dir".to_owned(), STATE.to_owned()]);
    let words: Vec<String> = words.iter().map(|word| yaml_quoted(&word.replace("$(", "$$("))).collect();
    let limit = job.longest().map_or_else(String::new, |longest| {
        // The pod has to start, too, and what is random comes before the deadline begins.
        const TO_START: u64 = 120;
        let seconds = longest.as_secs() + job.schedule.jitter.as_secs() + TO_START;
        format!("      activeDeadlineSeconds: {seconds}\n")
    });
    Ok(format!(
        "{comment}apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
spec:
  schedule: {cron}
  timeZone: {zone}
{overlap}  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      # A run that failed is not begun again by itself: its exit code says whether that is safe.
      backoffLimit: 0
{limit}      template:
        spec:
          restartPolicy: Never
          # Room for cleanup and logout.
          terminationGracePeriodSeconds: {grace}
          automountServiceAccountToken: false
          securityContext:
            runAsNonRoot: true
            runAsUser: 65532
            runAsGroup: 65532
            fsGroup: 65532
            seccompProfile:
              type: RuntimeDefault
          containers:
            - name: runner
              image: {image}
              command: [\"runner\"]
              args: [{words}]
              workingDir: /work
{secrets}              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities:
                  drop: [\"ALL\"]
              volumeMounts:
                - name: playbook
                  mountPath: /playbook
                  readOnly: true
{mounts}                - name: state
                  mountPath: /state
                - name: work
                  mountPath: /work
          volumes:
{volumes}            # Gone with the pod: a PersistentVolumeClaim instead keeps journals, so that a run can be resumed.
            - name: state
              emptyDir: {{}}
            # What the playbook saves goes here, and with the pod, too.
            - name: work
              emptyDir: {{}}
",
        comment = comment(job, &files, &name),
        mounts = files.mounts(),
        volumes = files.volumes(&name),
        cron = yaml_quoted(&job.schedule.cron.to_string()),
        zone = yaml_quoted(job.schedule.zone.name()),
        overlap = overlap(job.schedule.overlap),
        grace = job.grace.as_secs(),
        image = yaml_quoted(image),
        words = words.join(", "),
        secrets = secrets(job, &name),
    ))
}

/// Pods do not see each other's locks, so the cluster keeps one run at a time.
fn overlap(overlap: Overlap) -> &'static str {
    match overlap {
        Overlap::Skip => {
            "  # One at a time: a run whose time comes meanwhile is left out.\n  \
                          concurrencyPolicy: Forbid\n  startingDeadlineSeconds: 60\n"
        }
        Overlap::Fail => {
            "  # One at a time: a run whose time comes meanwhile is left out, with the event JobAlreadyActive.\n  \
                          concurrencyPolicy: Forbid\n  startingDeadlineSeconds: 60\n"
        }
        Overlap::Wait => {
            "  # One at a time: a run whose time comes meanwhile begins after it.\n  \
                          concurrencyPolicy: Forbid\n  startingDeadlineSeconds: 86400\n"
        }
    }
}

/// What to type before.
fn comment(job: &Job, files: &PodFiles, name: &str) -> String {
    let playbook = one_line(&shell_quoted(&job.playbook));
    let mut text = format!(
        "# {}\n#\n# Before: kubectl create configmap {name} --from-file=playbook.yaml={playbook}",
        one_line(&job.title)
    );
    for PodFile { key, path, .. } in &files.beside {
        let file = format!("{}/{path}", job.folder);
        write!(text, " --from-file={key}={}", one_line(&shell_quoted(&file))).expect("a string takes all");
    }
    text.push('\n');
    let mut line = |start: &str, line: &str| text.extend([start, &one_line(line), "\n"]);
    let (step, detail) = ("#         ", "#           ");
    if !job.needs.variables.is_empty() {
        let command = format!("kubectl create secret generic {name} --from-env-file=FILE");
        line(step, &format!("{command}, with lines NAME=VALUE for"));
        job.needs
            .variables
            .iter()
            .for_each(|known| line(detail, &format!("{}  {}", known.name, known.holds)));
    }
    let secret: Vec<&PodFile> = files.secret().collect();
    if !secret.is_empty() {
        let keys: Vec<String> = secret.iter().map(|file| format!("--from-file={}=FILE", file.key)).collect();
        line(
            step,
            &format!("kubectl create secret generic {name}-files {}, with the files for", keys.join(" ")),
        );
        secret.iter().for_each(|file| line(detail, &format!("{}  {}", file.key, file.holds)));
    }
    if !files.elsewhere.is_empty() {
        line(step, "volumes of your own, for it reads files that no ConfigMap and no Secret can put there:");
        files.elsewhere.iter().for_each(|path| line(detail, path));
    }
    text
}

/// Where the pod finds what systemd would hand over as credentials.
const CREDENTIALS: &str = "/run/credentials";
/// Where systems hand secrets to a process.
const SECRETS: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// A file of the pod, out of a ConfigMap or a Secret.
struct PodFile {
    key: String,
    /// Below the folder where it is mounted.
    path: String,
    holds: String,
}

/// The files that the pod needs besides the playbook.
#[derive(Default)]
struct PodFiles {
    /// Below the playbook's folder, and no secret.
    beside: Vec<PodFile>,
    /// Below the playbook's folder, and secret.
    secret_beside: Vec<PodFile>,
    /// Secret, by the folder where they are mounted.
    mounted: Vec<(&'static str, Vec<PodFile>)>,
    /// Nowhere where they could be put.
    elsewhere: Vec<String>,
}

impl PodFiles {
    fn of(needs: &Needs) -> Self {
        let mut files = Self::default();
        let mut keys = vec!["playbook.yaml".to_owned()];
        for path in &needs.files {
            match is_below(path) {
                true => files.beside.push(PodFile::new(path, "", &mut keys)),
                false => files.elsewhere.push(path.clone()),
            }
        }
        for file in &needs.credential_files {
            files.mount(CREDENTIALS, PodFile::new(&file.name, &file.holds, &mut keys));
        }
        for file in &needs.secret_files {
            let inside = |folder: &&str| {
                file.path.strip_prefix(*folder)?.strip_prefix('/').filter(|path| is_below(path))
            };
            let folder = SECRETS.into_iter().find_map(|folder| Some((folder, inside(&folder)?)));
            match folder {
                Some((folder, path)) => files.mount(folder, PodFile::new(path, &file.holds, &mut keys)),
                None if is_below(&file.path) => {
                    files.secret_beside.push(PodFile::new(&file.path, &file.holds, &mut keys));
                }
                None => files.elsewhere.push(file.path.clone()),
            }
        }
        files
    }

    fn mount(&mut self, folder: &'static str, file: PodFile) {
        match self.mounted.iter_mut().find(|(known, _)| *known == folder) {
            Some((_, files)) => files.push(file),
            None => self.mounted.push((folder, vec![file])),
        }
    }

    /// Those that come out of the Secret.
    fn secret(&self) -> impl Iterator<Item = &PodFile> {
        self.mounted.iter().flat_map(|(_, files)| files).chain(&self.secret_beside)
    }

    fn mounts(&self) -> String {
        let mounts = self.mounted.iter().map(|(folder, _)| {
            let volume = volume_name(folder);
            format!("                - name: {volume}\n                  mountPath: {folder}\n                  readOnly: true\n")
        });
        mounts.collect()
    }

    /// The volumes of the playbook's folder and of secrets. A pod begins without a secret, too: another source may have it,
    /// and a run that lacks one names it.
    fn volumes(&self, name: &str) -> String {
        let playbook = PodFile {
            key: "playbook.yaml".to_owned(),
            path: "playbook.yaml".to_owned(),
            holds: String::new(),
        };
        let beside = items(std::iter::once(&playbook).chain(&self.beside), 22);
        let mut text = format!(
            "            - name: playbook\n              projected:\n                sources:\n                  - configMap:\n\
             {0:22}name: {name}\n{0:22}items:\n{beside}",
            ""
        );
        if !self.secret_beside.is_empty() {
            let items = items(&self.secret_beside, 22);
            write!(text, "                  - secret:\n{0:22}name: {name}-files\n{0:22}optional: true\n{0:22}items:\n{items}", "")
                .expect("a string takes all");
        }
        for (folder, files) in &self.mounted {
            let (volume, items) = (volume_name(folder), items(files, 16));
            write!(
                text,
                "            - name: {volume}\n              secret:\n{0:16}secretName: {name}-files\n{0:16}\
                 defaultMode: 288\n{0:16}optional: true\n{0:16}items:\n{items}",
                ""
            )
            .expect("a string takes all");
        }
        text
    }
}

impl PodFile {
    /// A file under a key that is free.
    fn new(path: &str, holds: &str, keys: &mut Vec<String>) -> Self {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let plain: String = path.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let numbered = (2..).map(|number: u32| format!("{number}-{plain}"));
        let mut free = std::iter::once(plain.clone()).chain(numbered);
        let key = free.find(|key| !keys.contains(key)).expect("numbers have no end");
        keys.push(key.clone());
        Self { key, path: path.to_owned(), holds: holds.to_owned() }
    }
}

/// Whether a path stays below the folder from which it counts, so that a volume takes it.
fn is_below(path: &str) -> bool {
    !path.starts_with(['~', '$']) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// `/var/run/secrets`: `var-run-secrets`
fn volume_name(folder: &str) -> String {
    folder.trim_start_matches('/').replace('/', "-")
}

/// The keys of a volume and the files that they become.
fn items<'f>(files: impl IntoIterator<Item = &'f PodFile>, indent: usize) -> String {
    let item = |file: &PodFile| {
        let (key, path) = (yaml_quoted(&file.key), yaml_quoted(&file.path));
        format!("{:indent$}  - {{ key: {key}, path: {path} }}\n", "")
    };
    files.into_iter().map(item).collect()
}

/// What the environment of the container has.
fn secrets(job: &Job, name: &str) -> String {
    let mut text = String::new();
    if !job.needs.credential_files.is_empty() {
        write!(text, "              env:\n                - name: CREDENTIALS_DIRECTORY\n                  value: {CREDENTIALS}\n")
            .expect("a string takes all");
    }
    if !job.needs.variables.is_empty() {
        write!(
            text,
            "              envFrom:\n                - secretRef:\n                    name: {name}\n"
        )
        .expect("a string takes all");
    }
    text
}
