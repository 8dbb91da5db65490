//! What needs no engine: rendering beside copying, sed, Jinja2 and jsonnet; checking beside Compose.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::children;
use crate::clusters::{megabytes, pairs};
use crate::lab::{Compose, Lab, PEERS};
use crate::report::{Line, Spread, Unit};
use crate::{Options, say};

/// Where growth is measured from.
const FEW: u32 = 1000;
/// How often what takes milliseconds is run in a round.
const OFTEN: u32 = 10;

/// Rendering `slaves` slaves into `out`, which is not there yet.
fn render(lab: &Lab, slaves: u32, out: &Path) -> Command {
    let mut command = lab.topogen(&["render", "-n", PEERS, "--slaves", &slaves.to_string(), "-o"]);
    command.arg(out);
    command
}

/// A directory that is not there, for each time something is written.
fn gone(directory: PathBuf) -> Result<PathBuf> {
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(directory)
}

/// What the peers start from: their templates, made of what topogen wrote for the first slave, and each slave's subnet.
/// Neither is counted: a user of theirs would have written the first by hand, and would have to reckon the second.
struct Templates {
    directory: PathBuf,
    slaves: u32,
}

impl Templates {
    fn of(lab: &Lab, slaves: u32, rendered: &Path) -> Result<Self> {
        let directory = lab.path().join("templates");
        std::fs::create_dir_all(&directory)?;
        let file = |node: &str| {
            let path = rendered.join(format!("{PEERS}-{node}/compose.yaml"));
            std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))
        };
        let subnet = |text: &str| {
            let found = text
                .lines()
                .find_map(|l| l.trim().strip_prefix("- subnet: ").map(str::to_owned));
            found.context("each node has a subnet")
        };
        let slave = file("slave1")?;
        let with = |name: &str, index: &str, net: &str| -> Result<String> {
            let text = slave.replace("slave1", name);
            let text = text.replace("TOPOGEN_INDEX: \"1\"", &format!("TOPOGEN_INDEX: \"{index}\""));
            Ok(text.replace(&subnet(&slave)?, net))
        };
        let write = |name: &str, text: &str| std::fs::write(directory.join(name), text);
        write("master.yaml", &file("master")?)?;
        write("slave.yaml", &with("SLAVE_ALIAS", "SLAVE_INDEX", "SLAVE_SUBNET")?)?;
        write("slave.yaml.j2", &with("{{ name }}", "{{ index }}", "{{ subnet }}")?)?;
        let subnets: Vec<String> = (1..=slaves)
            .map(|i| subnet(&file(&format!("slave{i}"))?))
            .collect::<Result<_>>()?;
        write("subnets", &(subnets.join("\n") + "\n"))?;
        write("subnets.json", &json!(subnets).to_string())?;
        let all: Vec<String> = [subnet(&file("master")?)?].into_iter().chain(subnets).collect();
        let given = json!({"image": topogen::fake::image_name(), "subnets": all});
        write("given.json", &given.to_string())?;
        Ok(Self { directory, slaves })
    }

    fn command(&self, program: &[&str], script: &str, out: &Path) -> Command {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(peers().join(script));
        command
            .arg(&self.directory)
            .arg(self.slaves.to_string())
            .arg(PEERS)
            .arg(out);
        command
    }

    fn sed(&self, out: &Path) -> Command {
        self.command(&["bash"], "sed.sh", out)
    }

    fn jinja(&self, out: &Path) -> Command {
        self.command(&["/usr/bin/python3"], "jinja.py", out)
    }

    /// A run of it for each slave, as a shell has it that goes from one to the next.
    fn jinja_each(&self, out: &Path) -> Command {
        self.command(&["bash"], "jinja.sh", out)
    }

    fn jsonnet(&self, out: &Path) -> Command {
        let mut command = Command::new("jsonnet");
        // It makes no directory. That it cannot be made shows when it is written to.
        let _ = std::fs::create_dir(out);
        command.arg("--multi").arg(out);
        command.arg("--jpath").arg(&self.directory);
        command.args(["--tla-str", &format!("cluster={PEERS}")]);
        command.args(["--tla-code", &format!("slaves={}", self.slaves)]);
        command.arg(peers().join("slaves.jsonnet"));
        command
    }
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

/// Whether a command succeeds.
fn is_there(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|o| o.status.success())
}

/// An error unless two trees hold the same projects: the list of files by which topogen knows its own is nobody else's.
fn same(a: &Path, b: &Path) -> Result<()> {
    let output = Command::new("diff")
        .args(["-rq", "--exclude", ".topogen.json"])
        .arg(a)
        .arg(b)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(
        output.status.success(),
        "not the same: {}",
        text.lines().next().unwrap_or_default()
    );
    Ok(())
}

/// How many services the Compose files in a directory or in its directories have, by what each must have.
fn services(tree: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(tree)? {
        let path = entry?.path();
        let path = if path.is_dir() { path.join("compose.yaml") } else { path };
        let text = std::fs::read_to_string(path)?;
        count += text.matches("TOPOGEN_SERVICE").count();
    }
    Ok(count)
}

type Peer<'a> = (&'a str, f64, bool, Box<dyn Fn(&Path) -> Command + 'a>);

/// Rendering a large lab beside other ways to write the same files.
pub(crate) fn rendering(lab: &Lab, options: &Options) -> Result<Vec<Line>> {
    let slaves = options.render;
    let measured = format!("`render --slaves {slaves}`");
    let out = lab.path().join("rendered");
    let other = lab.path().join("written");
    say("render: what the peers start from");
    children::run(&mut render(lab, slaves, &gone(out.clone())?))?;
    let count = services(&out)?;
    anyhow::ensure!(count == 3 + 5 * slaves as usize, "{count} services rendered");
    let kept = lab.path().join("kept");
    std::fs::rename(&out, gone(kept.clone())?)?;
    let templates = Templates::of(lab, slaves, &kept)?;
    let copy = |to: &Path| {
        let mut command = Command::new("cp");
        command.arg("-r").arg(&kept).arg(to);
        command
    };
    let jinja = is_there("/usr/bin/python3", &["-c", "import jinja2"]);
    let peers: [Peer<'_>; 4] = [
        ("`cp -r` of the result", 3.0, true, Box::new(copy)),
        (
            "the article's `sed`, one a slave",
            0.05,
            true,
            Box::new(|o: &Path| templates.sed(o)),
        ),
        (
            "Jinja2, one run for all",
            0.05,
            jinja,
            Box::new(|o: &Path| templates.jinja(o)),
        ),
        (
            "jsonnet",
            0.05,
            is_there("jsonnet", &["--version"]),
            Box::new(|o: &Path| templates.jsonnet(o)),
        ),
    ];
    let mut lines = Vec::new();
    let mut memory = Vec::new();
    let mut times: Vec<Duration> = Vec::new();
    for (name, bound, there, command) in peers {
        if !there {
            lines.push(Line::missing("render", &measured, name, "it is not installed"));
            continue;
        }
        let found = pairs(
            options.rounds,
            name,
            || {
                let took = children::run(&mut render(lab, slaves, &gone(out.clone())?))?;
                memory.push(megabytes(&took));
                times.push(took.wall);
                Ok(took.wall)
            },
            || Ok(children::run(&mut command(&gone(other.clone())?))?.wall),
        )?;
        match name {
            // It writes the same as JSON.
            "jsonnet" => anyhow::ensure!(services(&other)? == count, "jsonnet wrote something else"),
            _ => same(&kept, &other)?,
        }
        lines.push(Line::pairs("render", &measured, name, Some(bound), &found));
    }
    let mut few = Vec::new();
    for _ in 0..options.rounds {
        few.push(children::run(&mut render(lab, FEW, &gone(out.clone())?))?);
    }
    let named = format!("memory of {measured}");
    let line = Line::alone("render", &named, Unit::Megabytes, Some(200.0), memory);
    let linear = f64::from(slaves) / f64::from(FEW);
    let before = format!("{FEW} slaves: linear is {linear} ×");
    let of = (line.ours, Spread::of(few.iter().map(megabytes)));
    let times = (Spread::of_times(times), Spread::of_times(few.iter().map(|t| t.wall)));
    lines.push(line);
    lines.push(Line::growth(
        "render",
        &named,
        &before,
        Unit::Megabytes,
        Some(linear),
        of,
    ));
    lines.push(Line::growth(
        "render",
        &format!("time of {measured}"),
        &before,
        Unit::Seconds,
        Some(linear * 1.2),
        times,
    ));
    let against = "Jinja2, one run a slave";
    let measured = format!("`render --slaves {FEW}`");
    if jinja {
        std::fs::rename(&out, gone(kept.clone())?)?;
        let templates = Templates::of(lab, FEW, &kept)?;
        let found = pairs(
            options.rounds,
            against,
            || Ok(children::run(&mut render(lab, FEW, &gone(out.clone())?))?.wall),
            || Ok(children::run(&mut templates.jinja_each(&gone(other.clone())?))?.wall),
        )?;
        same(&kept, &other)?;
        lines.push(Line::pairs("render", &measured, against, Some(0.05), &found));
    } else {
        lines.push(Line::missing("render", &measured, against, "it is not installed"));
    }
    for directory in [out, other, kept] {
        gone(directory)?;
    }
    Ok(lines)
}

/// Checking the built-in blueprint beside Compose's check of one project.
pub(crate) fn checking(lab: &Lab, options: &Options) -> Result<Vec<Line>> {
    let (measured, against) = (
        "`check` of the built-in blueprint",
        "`docker compose config -q` of one project",
    );
    if Compose::Loop.version().is_none() {
        return Ok(vec![Line::missing("check", measured, against, "it is not installed")]);
    }
    let directories = lab.render(1)?;
    let project = &directories[1..2];
    let often = |run: &dyn Fn() -> Result<Duration>| {
        let times: Result<Vec<Duration>> = (0..OFTEN).map(|_| run()).collect();
        Ok(times?.iter().sum::<Duration>() / OFTEN)
    };
    let found = pairs(
        options.rounds,
        "check",
        || often(&|| Ok(children::run(&mut lab.topogen(&["check"]))?.wall)),
        || often(&|| Ok(Compose::Loop.run(project, &["config", "-q"])?.wall)),
    )?;
    Ok(vec![Line::pairs("check", measured, against, Some(0.2), &found)])
}
