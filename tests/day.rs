//! The commands of a day: what is there, where it answers, what it needs; and the words of neighbouring tools.

use crate::engine::{Call, EngineDouble};
use crate::support::{self, stderr, stdout};
use crate::whole::{directory_of, topogen};

const BLUEPRINT: &str = r#"
name: lab
roles:
  lb: {entry: front, services: {front: {image: "redis:7", ports: ["127.0.0.1:8080:80", "5300:53/udp"]}}}
  w: {count: 2, entry: a, services: {a: {image: "redis:7"}, b: {image: "nginx:1", platform: linux/amd64}}}
"#;

/// What the commands print, after the commands themselves, with the directory's path left out.
fn told(directory: &tempfile::TempDir, socket: &crate::engine::Socket, commands: &[&str]) -> String {
    let mut text = String::new();
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let output = topogen(directory, socket, &words);
        let code = output.status.code().expect("an exit code");
        let messages = stderr(&output);
        // How long it took differs.
        let messages: Vec<&str> = messages
            .lines()
            .map(|line| line.split(", in ").next().unwrap_or(line))
            .collect();
        text += &format!("$ topogen {command}\n{}{}", stdout(&output), messages.join("\n"));
        text.push_str(if messages.is_empty() { "" } else { "\n" });
        if code != 0 {
            text += &format!("exit code {code}\n");
        }
        text.push('\n');
    }
    text.replace(&directory.path().display().to_string(), "HERE")
}

#[test]
fn what_is_there_is_listed() {
    let double = EngineDouble::v28().with_image("redis:7").with_image("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let mut text = told(
        &directory,
        &socket,
        &["ls", "up -q --scale w=1", "up -q -n other --scale lb=0 --scale w=1"],
    );
    double.state().exit("lab-w1-b-1", 1);
    // Ages and times differ.
    let listed = told(&directory, &socket, &["ls", "ls --format json"]);
    let words = |line: &str| match line.trim().starts_with("\"created\"") {
        true => "    \"created\": …".to_owned(),
        false => line.split_whitespace().collect::<Vec<&str>>().join(" "),
    };
    let ages = [" 0 s ", " 1 s ", " 2 s ", " 3 s "];
    let listed: Vec<String> = listed
        .lines()
        .map(|line| ages.iter().fold(words(line), |line, age| line.replace(age, " AGE ")))
        .collect();
    text += &listed.join("\n");
    insta::assert_snapshot!(text);
}

#[test]
fn published_ports_are_listed_and_asked_for() {
    let double = EngineDouble::v28().with_image("redis:7").with_image("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let commands = [
        "up -q",
        "port",
        "port --format json",
        "port lb/front 80",
        "port lb 53/udp",
        "port lb/front 81",
        "port w1/a 80",
        "port w 80",
        "port w",
        "port nobody",
        "port lb/front http",
    ];
    insta::assert_snapshot!(told(&directory, &socket, &commands));
}

#[test]
fn a_node_is_printed_and_compared() {
    let double = EngineDouble::v28().with_image("redis:7").with_image("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let mut text = told(
        &directory,
        &socket,
        &[
            "config w2/a",
            "config lb",
            "config w3",
            "config w1/c",
            "up -q",
            "config w1 --live",
        ],
    );
    std::fs::write(
        directory.path().join("topogen.yaml"),
        BLUEPRINT.replace("a: {image: \"redis:7\"}", "a: {image: \"redis:7\", tty: true}"),
    )
    .expect("a file");
    text += &told(
        &directory,
        &socket,
        &[
            "config w1 --live",
            "config w1/b --live",
            "config w1/a --live --format json",
        ],
    );
    insta::assert_snapshot!(text);
}

/// What is outside of the targets stays as it is, though it differs from the blueprint; what they depend on comes with them.
#[test]
fn a_part_comes_up_and_goes_down() {
    let blueprint = r#"
name: lab
roles:
  lb: {entry: front, services: {front: {image: "redis:7"}}}
  w:
    count: 2
    after: lb
    entry: a
    services: {a: {image: "redis:7", depends_on: [b]}, b: {image: "redis:7", volumes: [data:/data]}, c: {image: "redis:7"}}
    volumes: {data: {}}
"#;
    let double = EngineDouble::v28().with_image("redis:7");
    let (directory, socket) = (directory_of(blueprint), double.listen());
    let mut text = told(
        &directory,
        &socket,
        &[
            "up w2/a --dry-run",
            "up w2/a -q",
            "up --no-deps w1/c -q",
            "up w3",
            "up w1/d",
            "up --no-deps",
            "up w --remove-orphans",
            "up --dry-run",
        ],
    );
    text += &format!("{:#?}\n", double.state().container_names());
    let changed = blueprint.replace("c: {image: \"redis:7\"}", "c: {image: \"redis:7\", tty: true}");
    std::fs::write(directory.path().join("topogen.yaml"), changed).expect("a file");
    text += &told(
        &directory,
        &socket,
        &[
            "up -q",
            "up w1/a --dry-run --detailed-exitcode",
            "up lb --force-recreate --dry-run",
            "up lb --force-recreate",
            "down w1/c --dry-run",
            "down w1/d",
            "down w1 w2/c --volumes --dry-run",
            "down w1 w2/c --volumes -q",
            "down w1",
            "down lb w -v --dry-run",
            "down lb w -v -q",
        ],
    );
    assert_eq!(double.state().left(), [""; 0]);
    insta::assert_snapshot!(text);
}

/// Two samples of the double are equal, so that nothing is used between them.
#[test]
fn what_containers_use_is_printed_once() {
    let double = EngineDouble::v20().with_image("redis:7").with_image("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let mut text = told(&directory, &socket, &["stats", "up -q --parallel 1"]);
    double.state().exit("lab-w1-b-1", 1);
    text += &told(
        &directory,
        &socket,
        &[
            "stats",
            "top w --by node --sort memory",
            "stats w2 --by role --once",
            "stats w2/b --format json",
            "stats w3",
            "stats --sort size",
        ],
    );
    double
        .on(Call::Stats)
        .of("lab-w2-a-1")
        .always()
        .refuse(500, "cannot read its control group");
    text += &told(&directory, &socket, &["stats"]);
    insta::assert_snapshot!(text);
}

/// The greatest is first: of roles, of nodes, and of containers within each.
#[test]
fn what_uses_the_most_comes_first() {
    use topogen::usage::{ContainerUsage, Level, Order, Sample, Usage, screen, table};
    let sample = |seconds: u64, cpu: u64, memory: u64, received: u64| Sample {
        at: std::time::Duration::from_secs(seconds),
        cpu,
        memory,
        received,
        sent: received / 2,
        processes: 3,
    };
    let one = |node: &str, role: &str, service: &str, cpu: u64, memory: u64, received: u64| {
        let before = sample(10, 1_000_000_000, 0, 1_000_000);
        let now = sample(12, 1_000_000_000 + cpu, memory, 1_000_000 + received);
        ContainerUsage {
            node: node.to_owned(),
            role: role.to_owned(),
            service: service.to_owned(),
            container: format!("{node}-{service}"),
            usage: Usage::between(Some(&before), &now),
        }
    };
    let mut all = vec![
        one("master", "master", "front", 20_000_000, 40_000_000, 4_000),
        one("slave1", "slave", "app", 1_200_000_000, 50_000_000, 100),
        one("slave1", "slave", "db", 30_000_000, 900_000_000, 2_000_000),
        one("slave2", "slave", "app", 0, 50_000_000, 0),
        one("slave2", "slave", "db", 2_500_000_000, 80_000_000, 0),
    ];
    // Started just now: there is one sample, or it counts from nothing again.
    let young = |before: Option<&Sample>| Usage::between(before, &sample(12, 5, 70_000_000, 9));
    assert_eq!(young(None), young(Some(&sample(10, 1_000_000_000, 0, 0))));
    all.push(ContainerUsage {
        usage: young(None),
        ..one("slave10", "slave", "db", 0, 0, 0)
    });
    let mut text = String::new();
    for (level, order) in [
        (Level::Container, Order::Cpu),
        (Level::Node, Order::Memory),
        (Level::Node, Order::Network),
        (Level::Container, Order::Name),
        (Level::Role, Order::Name),
    ] {
        text += &format!("# {level:?}, {order:?}\n{}\n", table(&all, level, order));
    }
    let whole = table(&all, Level::Container, Order::Cpu);
    for (rows, columns) in [(40, 80), (10, 30)] {
        text += &format!(
            "# {rows} rows of {columns}\n{}\n",
            screen("lab", &whole, rows, columns).join("\n")
        );
    }
    insta::assert_snapshot!(text);
}

/// Whatever the engine refuses of a one-off, nothing is left of it.
#[test]
fn a_one_off_that_cannot_run_leaves_nothing() {
    let double = EngineDouble::v20().with_image("redis:7").with_image("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let mut text = told(
        &directory,
        &socket,
        &[
            "run w1 a true",
            "run w a true",
            "run w1/a true",
            "run w3 a true",
            "run w1 busybox:nowhere true",
            "up -q",
        ],
    );
    let left = names_of(&double);
    double.on(Call::CreateContainer).refuse(500, "no space left on device");
    text += &told(&directory, &socket, &["run w1 a true"]);
    // It has three networks to join, one by one.
    double.on(Call::Connect).refuse(500, "no address left");
    text += &told(&directory, &socket, &["run w1 redis:7 true"]);
    // The double attaches to nothing.
    text += &told(&directory, &socket, &["run w1 b true"]);
    assert_eq!(names_of(&double), left);
    let number = |text: &str| {
        let mut words = text.split("-run-");
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |text, rest| format!("{text}-run-NUMBER{}", &rest[8..]))
    };
    insta::assert_snapshot!(number(&text));
}

/// Options before the command are as those after it; a command that takes none says so in its own words.
#[test]
fn options_stand_before_the_command_too() {
    let double = EngineDouble::v28().with_image("redis:7").with_image("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let host = socket.host();
    let text = told(
        &directory,
        &socket,
        &[
            "-n other up -q --scale lb=0 --scale w=1",
            "-f topogen.yaml --name=other port w1",
            "-n other ls",
            "-n other ps -n lab",
            "-n Other! ps",
            "--context nowhere ls",
            &format!("-H {host} --context nowhere ls"),
            "-n lab",
        ],
    );
    insta::assert_snapshot!(text.replace(&host, "ENGINE"));
    let elsewhere = topogen(&directory, &socket, &["-H", "unix:///nowhere/docker.sock", "ls"]);
    assert_eq!(elsewhere.status.code(), Some(5), "{}", stderr(&elsewhere));
    assert!(
        stderr(&elsewhere).contains("/nowhere/docker.sock"),
        "{}",
        stderr(&elsewhere)
    );
}

/// The double gives addresses in the order in which containers start, which differs.
#[test]
fn nodes_are_listed_as_hosts() {
    let double = EngineDouble::v28().with_image("redis:7").with_image("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let commands = [
        "up -q",
        "hosts",
        "hosts w --env",
        "hosts lb --format json",
        "hosts nobody",
    ];
    let told = told(&directory, &socket, &commands);
    let told = told.split_inclusive(['\n', '"', '=', '\t']).map(|part| {
        let end = part.len() - part.chars().next_back().map_or(0, char::len_utf8);
        let (word, end) = part.split_at(end);
        match word.parse::<std::net::IpAddr>() {
            Ok(_) => format!("ADDRESS{end}"),
            Err(_) => part.to_owned(),
        }
    });
    insta::assert_snapshot!(told.collect::<String>());
}

#[test]
fn images_are_listed_and_pulled() {
    let double = EngineDouble::v28().with_image("redis:7").with_registry("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let commands = [
        "images",
        "images --fake",
        "pull --missing",
        "images --format json",
        "pull --missing",
    ];
    let mut text = told(&directory, &socket, &commands);
    // Two are pulled side by side, and either may be the first.
    let pulled = told(&directory, &socket, &["pull"]);
    let mut lines: Vec<&str> = pulled.split_inclusive('\n').collect();
    lines[1..3].sort_unstable();
    text.extend(lines);
    insta::assert_snapshot!(text);
}

#[test]
fn containers_are_waited_for() {
    let double = EngineDouble::v28().with_image("redis:7").with_image("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let commands = [
        "up -q",
        "wait",
        "wait w --for running",
        "wait w1 --for exited --timeout 1",
        "wait nobody",
    ];
    let mut text = told(&directory, &socket, &commands);
    double.state().set_health("lab-w1-a-1", "unhealthy", "no disk");
    double.state().exit("lab-w1-b-1", 3);
    text += &told(
        &directory,
        &socket,
        &["wait w1/b --for exited", "wait w --timeout 1", "wait -q w2"],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn words_of_neighbours_are_answered() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut text = String::new();
    for words in [
        &["destroy"][..],
        &["plan"],
        &["apply", "-d"],
        &["status"],
        &["convert"],
        &["validate"],
        &["scale", "slave=3"],
        &["up", "-d"],
        &["ps", "-a"],
        &["pss"],
        &["up", "--slavs", "3"],
    ] {
        let output = support::topogen(directory.path(), words);
        assert_eq!(output.status.code(), Some(2));
        text += &format!("$ topogen {}\n{}\n", words.join(" "), stderr(&output));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn logs_of_a_cluster_with_a_number_for_a_name_are_probably_last_lines() {
    let double = EngineDouble::v28();
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    insta::assert_snapshot!(told(&directory, &socket, &["logs -n 50"]));
}

#[test]
fn a_copy_has_one_end_in_containers() {
    let double = EngineDouble::v28().with_image("redis:7").with_image("nginx:1");
    let (directory, socket) = (directory_of(BLUEPRINT), double.listen());
    let commands = [
        "cp a b",
        "cp w1/a:/a w2/a:/b",
        "cp nothing w1/a:/",
        "cp w1/a: .",
        "up -q",
        "cp w:/etc/hosts .",
        "cp w1:/etc/hosts .",
    ];
    insta::assert_snapshot!(told(&directory, &socket, &commands));
}

fn names_of(double: &EngineDouble) -> Vec<String> {
    let state = double.state();
    state.container_names().into_iter().map(str::to_owned).collect()
}
