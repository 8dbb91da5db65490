//! What people see while they wait: which lines show a state, and the bytes that bring them to the screen.

use std::num::NonZero;

use proptest::prelude::*;
use topogen::cluster::Observed;
use topogen::compose::Condition;
use topogen::engine::translate::{Origin, translate};
use topogen::plan::event::Event;
use topogen::plan::reconcile::Options;
use topogen::plan::schedule::Schedule;
use topogen::plan::{Action, Operation, Plan, Verb, reconcile};
use topogen::terminal::layout::{ASCII, Glyphs, Size, UNICODE, frame};
use topogen::terminal::line::{Line, Tint};
use topogen::terminal::paint::Painter;
use topogen::terminal::reach::{Entrance, Published, sentence};
use topogen::terminal::state::State;
use topogen::terminal::words;

use crate::support::lab;

/// A tenth of a second an operation, so many at once, in the order in which a plan is carried out.
struct Run {
    plan: Plan,
    state: State,
    schedule: Schedule,
    /// Operations in flight, in the order in which they end.
    flying: Vec<usize>,
    now: u64,
    parallel: usize,
    fails: fn(&Operation) -> bool,
}

impl Run {
    fn of(plan: Plan) -> Self {
        let mut state = State::default();
        state.plan(&plan);
        let mut run = Self {
            schedule: Schedule::new(&plan),
            plan,
            state,
            flying: Vec::new(),
            now: 300,
            parallel: 8,
            fails: |_| false,
        };
        run.fly();
        run
    }

    /// `up` of the lab with so many slaves, on an engine with nothing on it.
    fn up(slaves: u32) -> Self {
        let desired = translate(&lab(slaves), &Origin::default()).unwrap_or_else(|p| panic!("{p:?}"));
        Self::of(reconcile::up(&desired, &Observed::default(), &Options::default()).unwrap_or_else(|c| panic!("{c:?}")))
    }

    fn failing(mut self, fails: fn(&Operation) -> bool) -> Self {
        self.fails = fails;
        self
    }

    fn event(&mut self, event: impl Fn(usize, &Operation) -> Event<'_>, at: usize) {
        let now = self.now;
        self.state.event(event(at, &self.plan.operations[at]), now);
    }

    fn fly(&mut self) {
        while self.flying.len() < self.parallel {
            let Some(at) = self.schedule.begin_first() else { return };
            self.event(|at, operation| Event::Started { at, operation }, at);
            self.flying.push(at);
        }
    }

    /// So many more operations end.
    fn steps(mut self, count: usize) -> Self {
        for _ in 0..count.min(self.plan.operations.len()) {
            if self.flying.is_empty() {
                break;
            }
            let at = self.flying.remove(0);
            self.now += 100;
            if (self.fails)(&self.plan.operations[at]) {
                let reason = "driver failed programming external connectivity on endpoint: Bind for 0.0.0.0:80 failed";
                self.event(|at, operation| Event::Failed { at, operation, reason }, at);
                for skipped in self.schedule.failed(at, reason.to_owned()) {
                    self.event(|at, operation| Event::Skipped { at, operation }, skipped);
                }
            } else {
                self.event(|at, operation| Event::Done { at, operation }, at);
                self.schedule.done(at);
            }
            self.fly();
        }
        self
    }

    fn progress(mut self, at: usize, text: &str) -> Self {
        let now = self.now;
        self.state.event(Event::Progress { at, text }, now);
        self
    }

    fn stopping(mut self) -> Self {
        let in_flight = self.flying.len();
        self.state.event(Event::Stopping { in_flight }, self.now);
        self
    }

    fn shown(&self, columns: usize, rows: usize) -> String {
        shown(&self.state, columns, rows, self.now, &UNICODE)
    }
}

fn shown(state: &State, columns: usize, rows: usize, now: u64, glyphs: &Glyphs) -> String {
    let lines = frame(state, Size { columns, rows }, now, glyphs);
    let lines: Vec<String> = lines.iter().map(|l| l.text(false)).collect();
    format!("{columns}×{rows}, {} lines\n{}", lines.len(), lines.join("\n"))
}

/// An operation of `node`, of none where that is empty, that waits for the ones at `after`.
fn operation(action: Action, subject: &str, node: &str, after: &[usize]) -> Operation {
    Operation {
        action,
        subject: subject.to_owned(),
        node: (!node.is_empty()).then(|| node.to_owned()),
        cause: "of the test".to_owned(),
        after: after.to_vec(),
        after_any: Vec::new(),
    }
}

fn plan(operations: Vec<Operation>) -> Plan {
    Plan {
        operations,
        ..Plan::default()
    }
}

fn stop() -> Action {
    Action::Stop {
        id: String::new(),
        grace: None,
    }
}

fn remove() -> Action {
    Action::RemoveContainer {
        id: String::new(),
        volumes: true,
    }
}

/// Each part of the golden begins with its name.
fn golden(name: &str, parts: &[(&str, String)]) {
    let text: Vec<String> = parts
        .iter()
        .map(|(what, text)| format!("## {what}: {text}\n"))
        .collect();
    insta::assert_snapshot!(name, text.join("\n"));
}

#[test]
fn before_there_is_a_plan() {
    let mut state = State::default();
    let mut parts = Vec::new();
    for (what, doing, columns, rows, now) in [
        ("at once", "reading the blueprint", 80, 24, 50),
        ("in a moment", "looking at the engine", 80, 24, 290),
        (
            "taking its time",
            "connecting to the engine at ssh://somebody@build-7.example.com",
            80,
            24,
            1_340,
        ),
        (
            "in a narrow terminal",
            "connecting to the engine at ssh://somebody@build-7.example.com",
            40,
            8,
            75_000,
        ),
        ("in no terminal to speak of", "planning", 1, 1, 5_000),
    ] {
        doing.clone_into(&mut state.doing);
        parts.push((what, shown(&state, columns, rows, now, &UNICODE)));
    }
    golden("before_there_is_a_plan", &parts);
}

#[test]
fn all_fits() {
    let parts = [
        ("begun", Run::up(3).shown(80, 24)),
        ("the network is there", Run::up(3).steps(3).shown(80, 24)),
        ("in the middle", Run::up(3).steps(20).shown(80, 24)),
        ("nearly done", Run::up(3).steps(36).shown(80, 24)),
        ("done", Run::up(3).steps(100).shown(80, 24)),
        ("exactly as many lines as there are", Run::up(3).steps(20).shown(80, 8)),
        ("narrow", Run::up(3).steps(20).shown(40, 24)),
    ];
    golden("all_fits", &parts);
}

#[test]
fn fifty_slaves() {
    let parts = [
        ("begun", Run::up(50).shown(80, 24)),
        ("some nodes", Run::up(50).steps(60).shown(80, 24)),
        ("half of them", Run::up(50).steps(280).shown(80, 24)),
        ("nearly all", Run::up(50).steps(530).shown(80, 24)),
        ("done", Run::up(50).steps(1000).shown(80, 24)),
        ("stopping", Run::up(50).steps(280).stopping().shown(80, 24)),
        ("in a small terminal", Run::up(50).steps(280).shown(40, 8)),
        ("in a tiny one", Run::up(50).steps(280).shown(40, 4)),
        ("two lines", Run::up(50).steps(280).shown(40, 3)),
        ("one line", Run::up(50).steps(280).shown(20, 2)),
        ("in a large one", Run::up(50).steps(280).shown(120, 60)),
    ];
    golden("fifty_slaves", &parts);
}

#[test]
fn what_failed_stays_in_sight() {
    let one: fn(&Operation) -> bool = |o| o.subject.ends_with("slave7-service_4-1") && o.action.verb() == Verb::Start;
    let every_third: fn(&Operation) -> bool = |o| {
        let node = o.node.as_deref().unwrap_or_default();
        let number: Option<usize> = node.strip_prefix("slave").and_then(|n| n.parse().ok());
        number.is_some_and(|n| n % 3 == 0) && o.action.verb() == Verb::Start
    };
    let networks: fn(&Operation) -> bool = |o| matches!(o.action, Action::CreateNetwork(_)) && o.node.is_some();
    let parts = [
        ("one of ten", Run::up(10).failing(one).steps(130).shown(80, 24)),
        ("one of fifty", Run::up(50).failing(one).steps(280).shown(80, 24)),
        ("many", Run::up(50).failing(every_third).steps(420).shown(80, 24)),
        ("many, small", Run::up(50).failing(every_third).steps(420).shown(40, 8)),
        (
            "all that could",
            Run::up(50).failing(networks).steps(1000).shown(80, 24),
        ),
        (
            "with the shared network",
            Run::up(50).failing(|o| o.node.is_none()).steps(1000).shown(80, 12),
        ),
        (
            "and stopping",
            Run::up(10).failing(one).steps(130).stopping().shown(60, 10),
        ),
    ];
    golden("what_failed_stays_in_sight", &parts);
}

#[test]
fn what_takes_long_says_how_far_it_is() {
    let pulls = plan(vec![
        operation(Action::LoadImage, "registry.example.com/shop/entry:1.4", "", &[]),
        operation(Action::LoadImage, "postgres:17", "", &[]),
        operation(stop(), "lab-db1-store-1", "db1", &[]),
        operation(stop(), "lab-db1-log-1", "db1", &[]),
        operation(remove(), "lab-db1-old-1", "db1", &[]),
        operation(remove(), "lab-db2-store-1", "db2", &[0]),
    ]);
    let waiting = Run::of(pulls.clone())
        .progress(0, "12 of 40 MB")
        .progress(1, "extracting")
        .progress(3, "not healthy yet");
    // All of db1's containers are made, and wait for another role.
    let begun = Run::of(plan(vec![
        operation(remove(), "lab-db1-store-1", "db1", &[]),
        operation(remove(), "lab-db1-log-1", "db1", &[0, 2]),
        operation(stop(), "lab-master-x-1", "master", &[]),
    ]));
    let until = |subject: &str, node: &str| Operation {
        cause: "until it is healthy".to_owned(),
        ..operation(
            Action::Await {
                containers: vec!["lab-x".parse().expect("a name")],
                condition: Condition::Healthy,
            },
            subject,
            node,
            &[],
        )
    };
    let unwell = Run::of(plan(vec![
        until("master", ""),
        until("lab-slave1-db-1", "slave1"),
        operation(stop(), "lab-slave1-old-1", "slave1", &[]),
    ]));
    let parts = [
        ("not well yet", unwell.shown(80, 24)),
        ("pulls", waiting.shown(80, 24)),
        ("narrow", waiting.shown(40, 24)),
        ("nothing in flight", begun.steps(1).shown(80, 24)),
    ];
    golden("what_takes_long_says_how_far_it_is", &parts);
}

#[test]
fn any_text_is_a_line() {
    let subjects = plan(vec![
        operation(stop(), "lab-主人-サービス-1", "主人", &[]),
        operation(
            stop(),
            "x",
            "a-node-with-a-name-that-nobody-would-want-to-type-twice",
            &[],
        ),
        operation(stop(), "slave1-slave1-1", "slave1", &[]),
        operation(stop(), "elsewhere", "slave2", &[]),
        operation(remove(), "lab-slave3-db-1", "slave3", &[]),
        operation(stop(), "lab-slave30-db-12", "slave3", &[]),
    ]);
    let mut run = Run::of(subjects);
    run.state.event(
        Event::Failed {
            at: 3,
            operation: &run.plan.operations[3],
            reason: "first line\nsecond \x1b[2J line\ttab",
        },
        2_000,
    );
    let run = run.progress(0, "\u{1b}]0;title\u{7}");
    let parts = [
        ("wide", run.shown(100, 24)),
        ("usual", run.shown(80, 24)),
        ("narrow", run.shown(40, 24)),
        ("narrower", run.shown(20, 24)),
        ("without UTF-8", shown(&run.state, 60, 24, 1_900, &ASCII)),
        (
            "in colours",
            frame(&run.state, Size { columns: 80, rows: 24 }, 1_900, &UNICODE)
                .iter()
                .map(|l| format!("\n{:?}", l.text(true)))
                .collect(),
        ),
    ];
    golden("any_text_is_a_line", &parts);
}

#[test]
fn what_lines_and_programs_get() {
    let plan = plan(vec![operation(stop(), "lab-slave1-db-1", "slave1", &[])]);
    let (at, operation) = (0, &plan.operations[0]);
    let mut text = String::new();
    for event in [
        Event::Started { at, operation },
        Event::Progress {
            at,
            text: "12 of 40 MB",
        },
        Event::Done { at, operation },
        Event::Failed {
            at,
            operation,
            reason: "no such\ncontainer \x1b[2J",
        },
        Event::Skipped { at, operation },
        Event::Stopping { in_flight: 1 },
        Event::Stopping { in_flight: 7 },
    ] {
        text += &format!("{:?}\n{}\n", words::message(event), words::json(event));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn how_to_reach_it() {
    let at = |node: &str, address: &str| Published {
        node: node.to_owned(),
        address: address.to_owned(),
    };
    let entrance = |port: Option<&str>| Entrance {
        name: "master".to_owned(),
        port: port.map(str::to_owned),
        network: "lab-inout".to_owned(),
    };
    let many: Vec<Published> = (1..=12)
        .map(|n| at(&format!("slave{n}"), &format!("localhost:{}", 8000 + n)))
        .collect();
    let one = [at("master", "localhost:8443"), at("master", "localhost:8443")];
    let several = [
        at("master", "localhost:80"),
        at("master", "localhost:443"),
        at("master", "localhost:53/udp"),
        at("slave1", "build-7:32768"),
    ];
    let parts = [
        ("a port", sentence(&one, Some(&entrance(Some("443/tcp"))), "topogen ps")),
        ("several", sentence(&several, None, "topogen ps --name lab")),
        ("one too many", sentence(&many[..3], None, "topogen ps --name lab")),
        ("many", sentence(&many, None, "topogen ps --name lab")),
        (
            "no port of the host",
            sentence(&[], Some(&entrance(Some("443/tcp"))), "topogen ps --name lab"),
        ),
        ("udp", sentence(&[], Some(&entrance(Some("53/udp"))), "topogen ps")),
        (
            "no port at all",
            sentence(&[], Some(&entrance(None)), "topogen ps --file shop.yaml"),
        ),
        ("no way in", sentence(&[], None, "topogen ps")),
    ];
    golden("how_to_reach_it", &parts);
}

#[test]
fn spans_are_for_people() {
    let spans: Vec<String> = [0, 49, 8_449, 59_999, 60_000, 125_000, 3_599_999, 3_600_000, 90_061_000]
        .iter()
        .map(|ms| format!("{ms} ms: {}", words::span(*ms)))
        .collect();
    insta::assert_snapshot!(spans.join("\n"));
}

fn some(number: u16) -> NonZero<u16> {
    NonZero::new(number).expect("not 0")
}

/// Words of all widths: none, one and two columns, and what must not reach a terminal.
fn word() -> impl Strategy<Value = String> {
    "[a-z0-9 主…é\u{301}\u{200d}\n\t\x1b]{0,30}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn a_frame_fits_any_terminal(
        columns in 1usize..140, rows in 1usize..60, slaves in 0u32..20, steps in 0usize..250, now in 0u64..10_000_000,
        text in word(), every in 1usize..9,
    ) {
        let mut run = Run::up(slaves);
        run.parallel = 3 + every;
        if every % 2 == 0 {
            run.fails = |o| o.subject.ends_with("3-1");
        }
        let mut run = run.steps(steps);
        for at in run.flying.clone() {
            run = run.progress(at, &text);
        }
        let lines = frame(&run.state, Size { columns, rows }, now, &UNICODE);
        prop_assert!(!lines.is_empty() && lines.len() <= rows.saturating_sub(1).max(1), "{} lines", lines.len());
        for line in lines {
            prop_assert!(line.width() <= columns.saturating_sub(1).max(1), "{:?}", line.text(false));
            prop_assert!(!line.text(false).contains(char::is_control));
        }
    }

}

proptest! {
    #[test]
    fn a_cut_line_begins_as_the_whole_one(text in word(), more in word(), width in 0usize..80) {
        let mut line = Line::default();
        line.push(Tint::Plain, &text);
        line.push(Tint::Bad, &more);
        let whole = line.text(false);
        let cut = line.clone().cut(width, "…");
        prop_assert!(cut.width() <= width);
        let cut = cut.text(false);
        prop_assert!(whole.starts_with(cut.strip_suffix('…').unwrap_or(&cut).trim_end()), "{cut:?} of {whole:?}");
    }

    /// On a terminal that obeys the standard, of any size that changes, with an interrupt's echo in between: what is
    /// shown is the frame and nothing of any earlier one, and above it all that was to stay.
    #[test]
    fn the_screen_shows_the_frame(
        start in 0u16..12,
        steps in prop::collection::vec(
            (
                prop::collection::vec("[a-c]{0,7}", 1..9),
                prop::collection::vec("[x-z]{1,12}(\n[x-z]{1,3})?", 0..3),
                any::<bool>(),
                (9u16..14, 8u16..30),
            ),
            1..12,
        ),
    ) {
        let mut terminal = vt100::Parser::new(some(12), some(20), 1000);
        terminal.process("\r\n".repeat(start.into()).as_bytes());
        terminal.process(b"$ topogen up\r\n");
        let mut painter = Painter::default();
        let mut stays = vec!["$ topogen up".to_owned()];
        let mut resized = false;
        for (frame, above, echo, (rows, columns)) in steps {
            if echo {
                terminal.process(b"^C");
            }
            // A narrower terminal cuts what stands above, as it pleases.
            let (_, old) = terminal.screen().size();
            resized |= columns < old.get();
            terminal.screen_mut().set_size(some(rows), some(columns));
            let size = Size { columns: columns.into(), rows: rows.into() };
            stays.extend(above.iter().flat_map(|a| a.lines()).map(str::to_owned));
            terminal.process(painter.paint(&above, frame.clone(), size).as_bytes());
            let screen = terminal.screen();
            let lines: Vec<String> = screen.rows(0, columns).map(|l| l.trim_end().to_owned()).collect();
            let (row, column) = screen.cursor_position();
            prop_assert_eq!(column, 0);
            let row = usize::from(row);
            prop_assert_eq!(&lines[row..row + frame.len()], &frame[..], "{:#?}", &lines);
            prop_assert!(lines[row + frame.len()..].iter().all(String::is_empty), "{:#?}", &lines);
            if !resized {
                let text = stays.concat();
                let observed = lines[..row].concat();
                prop_assert!(text.ends_with(observed.trim_start_matches("$ ")) || observed.ends_with(&text), "{observed:?} {text:?}");
            }
        }
        terminal.process(painter.clear(&[]).as_bytes());
        let screen = terminal.screen();
        let (_, columns) = screen.size();
        let rest: Vec<String> = screen.rows(0, columns.get()).skip(screen.cursor_position().0.into()).collect();
        prop_assert!(rest.iter().all(|l| l.trim().is_empty()), "{rest:#?}");
    }

    /// What is the same is not sent again, but for the first line.
    #[test]
    fn what_stays_is_not_drawn_again(frame in prop::collection::vec("[a-c]{1,7}", 2..9), changed in 1usize..9) {
        let size = Size { columns: 20, rows: 12 };
        let mut painter = Painter::default();
        let _ = painter.paint(&[], frame.clone(), size);
        let mut next = frame.clone();
        let changed = changed.min(next.len() - 1);
        "CHANGED".clone_into(&mut next[changed]);
        let bytes = painter.paint(&[], next, size);
        prop_assert!(bytes.contains("CHANGED") && !bytes.contains("\x1b[J"));
        let written = bytes.matches("\x1b[K").count();
        prop_assert_eq!(written, 2, "{:?}", bytes);
    }
}
