//! A CronJob of Kubernetes (batch/v1).

use super::job::{Job, Unsayable, short_name};
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
                - name: state
                  mountPath: /state
                - name: work
                  mountPath: /work
          volumes:
            - name: playbook
              configMap:
                name: {name}
            # Gone with the pod: a PersistentVolumeClaim instead keeps journals, so that a run can be resumed.
            - name: state
              emptyDir: {{}}
            # What the playbook saves goes here, and with the pod, too.
            - name: work
              emptyDir: {{}}
",
        comment = comment(job, &name),
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
fn comment(job: &Job, name: &str) -> String {
    let file = one_line(&shell_quoted(&job.playbook));
    let mut text = format!(
        "# {}\n#\n# Before: kubectl create configmap {name} --from-file=playbook.yaml={file}\n",
        one_line(&job.title)
    );
    if !job.needs.variables.is_empty() {
        writeln!(
            text,
            "#         kubectl create secret generic {name} --from-env-file=FILE, with lines NAME=VALUE for"
        )
        .expect("a string takes all");
        for variable in &job.needs.variables {
            writeln!(text, "#           {}  {}", variable.name, one_line(&variable.holds))
                .expect("a string takes all");
        }
    }
    text
}

fn secrets(job: &Job, name: &str) -> String {
    if job.needs.variables.is_empty() {
        return String::new();
    }
    format!("              envFrom:\n                - secretRef:\n                    name: {name}\n")
}
