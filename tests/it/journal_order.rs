//! What is on disk before what goes out: the order in which the program writes, syncs and sends, as the system saw it.

use std::collections::HashMap;

use super::support::orders::{IDEMPOTENT, ONCE, Orders, STEPS};

/// A call of the system: its text, and the lines of the trace at which it began and had come back.
struct Call {
    begun: usize,
    ended: usize,
    text: String,
}

/// Puts the halves of calls together that others came between.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let (thread, text) = line.split_once(' ').expect("a thread and a call");
        let text = text.trim_start();
        if let Some(first) = text.strip_suffix(" <unfinished ...>") {
            open.insert(thread, (number, first.to_owned()));
        } else if let Some((_, rest)) =
            text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>"))
        {
            let (begun, first) = open.remove(thread).expect("a call that had begun");
            calls.push(Call { begun, ended: number, text: first + rest });
        } else {
            calls.push(Call { begun: number, ended: number, text: text.to_owned() });
        }
    }
    calls.iter_mut().for_each(|call| call.text = call.text.replace("\\\"", "\""));
    calls.sort_by_key(|call| call.begun);
    calls
}

impl Call {
    fn is_journal(&self, name: &str) -> bool {
        self.text.starts_with(&format!("{name}(")) && self.text.contains(".journal>")
    }

    /// Whether it is the first that sends a request.
    fn sends(&self, request: &str) -> bool {
        self.text.contains(&format!("\"{request} HTTP/1.1\\r\\n"))
    }
}

/// Asserts that what the journal was told in `words` was durable before the request went out.
#[track_caller]
fn assert_durable_before(calls: &[Call], words: &[&str], request: &str) {
    let sent =
        calls.iter().find(|call| call.sends(request)).unwrap_or_else(|| panic!("{request} was not sent"));
    let is_told = |call: &&Call| {
        let mut lines = call.text.split("\\n");
        call.is_journal("write") && lines.any(|line| words.iter().all(|words| line.contains(words)))
    };
    let told = calls.iter().find(is_told).unwrap_or_else(|| panic!("the journal was not told: {words:?}"));
    let is_between = |call: &&Call| {
        let is_done = call.text.ends_with("= 0") || call.text.trim_end().ends_with(" 0");
        call.is_journal("fdatasync") && is_done && told.ended < call.begun && call.ended < sent.begun
    };
    assert!(calls.iter().any(|call| is_between(&call)), "{request} went out before {words:?} was durable");
}

#[test]
fn each_intent_is_durable_before_the_first_byte_of_its_request() {
    let orders = Orders::start();
    let room = orders.room(STEPS).may_hold("calls.txt");
    let strace =
        "strace -f -y -s 1000000 -qq -o calls.txt -e trace=fsync,fdatasync,sendto,sendmsg,write,writev";
    let output = orders.run(&room.clone().args(["apply", "p.yaml"]).under(strace.split(' '))).exits(0);
    let calls = calls(&output.read("calls.txt"));
    for write in ONCE.into_iter().chain(IDEMPOTENT) {
        let (method, path) = write.split_once(' ').unwrap();
        let words = format!("{method} http://{}{path}\"", orders.host());
        assert_durable_before(&calls, &["{\"intent\":", &words], write);
    }
    // So are the folders in which the journal lies.
    let first = calls.iter().find(|call| call.sends(ONCE[0])).expect("it was sent");
    for folder in room.journals().ancestors().take(3) {
        let text = format!("<{}>", folder.display());
        let is_sync = |call: &&Call| call.text.starts_with("fsync(") && call.text.contains(&text);
        let synced = calls.iter().find(is_sync).unwrap_or_else(|| panic!("{text} was not synced"));
        assert!(synced.ended < first.begun, "{text}");
    }
    // What depends on a write finds its outcome durable, even where it is a read.
    let read = "GET /lines?order=orders";
    assert_durable_before(&calls, &["{\"outcome\":", "\"lines[6]/request\""], read);
    assert_durable_before(&calls, &["{\"outcome\":", "\"order/request\""], "POST /lines/1");
    assert_durable_before(&calls, &["{\"outcome\":", "\"lines[1]/request\""], "PUT /states/lines-1");
}
