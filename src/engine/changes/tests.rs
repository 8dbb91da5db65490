//! Events as the engines sent them, recorded with `docker events --format '{{json .}}'`.

use super::*;

const V20: &str = include_str!("recorded/20.10.jsonl");
const V28: &str = include_str!("recorded/28.jsonl");

fn read(recorded: &str) -> Vec<Change> {
    let events = recorded
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"));
    events.map(|event| Change::read(event).expect("a change")).collect()
}

/// What happened, in short: `a Started`, `net Connected a`.
fn said(changes: &[Change]) -> Vec<String> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut said = Vec::new();
    for change in changes {
        match change {
            Change::Container(change) => {
                names.insert(&change.id, &change.name);
                said.push(format!("{} {:?}", change.name, change.event));
            }
            Change::Network(change) => said.push(match &change.event {
                NetworkEvent::Connected(id) => format!("{} Connected {}", change.name, names[id.as_str()]),
                NetworkEvent::Disconnected(id) => format!("{} Disconnected {}", change.name, names[id.as_str()]),
                event => format!("{} {event:?}", change.name),
            }),
        }
    }
    said
}

/// What was done: created and started, paused and not, HUP, stopped, started, renamed, put on another network and taken off,
/// given a limit, killed, removed; then one with a health check, in which a command was run; then one short of memory.
fn expected(stop: &[&str], kill: &[&str], kill_on_bridge: &[&str]) -> Vec<String> {
    let begin = [
        "lab-net Created",
        "lab-a Created",
        "lab-net Connected lab-a",
        "lab-a Started",
    ];
    let signals = [
        "lab-a Paused",
        "lab-a Unpaused",
        "lab-a Signalled(Some(1))",
        "lab-a Signalled(Some(15))",
    ];
    let changed = [
        "lab-net Connected lab-a",
        "lab-a Started",
        "lab-b Renamed(\"lab-a\")",
        "bridge Connected lab-b",
        "bridge Disconnected lab-b",
        "lab-b Updated",
        "lab-b Signalled(Some(9))",
    ];
    let health = [
        "lab-b Removed",
        "lab-a Created",
        "bridge Connected lab-a",
        "lab-a Started",
        "lab-a Visited",
        "lab-a Visited",
        "lab-a Health(Unhealthy)",
        "lab-a Visited",
        "lab-a Visited",
        "lab-a Visited",
        "lab-a Signalled(Some(9))",
    ];
    let memory = [
        "lab-a Removed",
        "lab-a Created",
        "bridge Connected lab-a",
        "lab-a Started",
        "lab-a OutOfMemory",
        "lab-a Signalled(Some(9))",
    ];
    let end = ["lab-a Removed", "lab-net Removed"];
    let all: [&[&str]; 10] = [
        &begin,
        &signals,
        stop,
        &changed,
        kill,
        &health,
        kill_on_bridge,
        &memory,
        kill_on_bridge,
        &end,
    ];
    all.concat().into_iter().map(str::to_owned).collect()
}

#[test]
fn engine_20_10_says_that_a_container_died_before_it_is_off_its_networks() {
    let changes = read(V20);
    let stop = ["lab-a Died(Some(0))", "lab-net Disconnected lab-a", "lab-a Stopped"];
    let kill = ["lab-b Died(Some(137))", "lab-net Disconnected lab-b"];
    let kill_on_bridge = ["lab-a Died(Some(137))", "bridge Disconnected lab-a"];
    let mut expected = expected(&stop, &kill, &kill_on_bridge);
    // What somebody disconnects is said to be disconnected twice.
    let twice = "bridge Disconnected lab-b";
    let at = expected.iter().position(|e| e == twice).expect("it is disconnected");
    expected.insert(at, twice.to_owned());
    assert_eq!(said(&changes), expected);
}

#[test]
fn engine_28_says_that_a_container_died_when_it_is_off_its_networks() {
    let changes = read(V28);
    let stop = ["lab-net Disconnected lab-a", "lab-a Stopped", "lab-a Died(Some(0))"];
    let kill = ["lab-net Disconnected lab-b", "lab-b Died(Some(137))"];
    let kill_on_bridge = ["bridge Disconnected lab-a", "lab-a Died(Some(137))"];
    assert_eq!(said(&changes), expected(&stop, &kill, &kill_on_bridge));
}

#[test]
fn a_change_says_when_and_to_whom() {
    for recorded in [V20, V28] {
        let changes = read(recorded);
        assert!(changes.is_sorted_by_key(Change::at));
        let Change::Container(created) = &changes[1] else {
            panic!("{:?}", changes[1])
        };
        assert_eq!(created.id.len(), 64);
        let labels: Vec<(&str, &str)> = created.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let ours =
            |labels: &[(&str, &str)]| labels.contains(&(label::NODE, "a")) && labels.contains(&(label::SERVICE, "db"));
        assert!(ours(&labels), "{labels:?}");
        assert!(
            labels.iter().all(|(key, _)| key.starts_with(label::PREFIX)),
            "{labels:?}"
        );
        assert!(created.is_of(&"lab".parse().expect("a name")));
        assert!(!created.is_of(&"la".parse().expect("a name")));
        let since_2026 = created.at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        assert!(since_2026 > Duration::from_secs(1_767_225_600), "{since_2026:?}");
    }
}

#[test]
fn what_the_engine_does_not_say_is_none() {
    let event = |typ: &str, action: &str, id: &str| {
        let event = serde_json::json!({"Type": typ, "Action": action, "Actor": {"ID": id, "Attributes": {}}});
        Change::read(serde_json::from_value(event).expect("an event"))
    };
    let container = |action: &str| match event("container", action, "1") {
        Some(Change::Container(change)) => change.event,
        other => panic!("{other:?}"),
    };
    assert_eq!(container("die"), ContainerEvent::Died(None));
    assert_eq!(container("kill"), ContainerEvent::Signalled(None));
    assert_eq!(
        container("health_status: healthy"),
        ContainerEvent::Health(Health::Healthy)
    );
    let odd = "health_status: none".to_owned();
    assert_eq!(container(&odd), ContainerEvent::Other(odd));
    assert_eq!(container("commit"), ContainerEvent::Other("commit".to_owned()));
    assert_eq!(event("container", "start", ""), None);
    assert_eq!(event("image", "pull", "1"), None);
}
