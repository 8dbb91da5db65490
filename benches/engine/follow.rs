//! How soon readers of `serve` hear of what happens, and what it costs to wait for it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value as Json;

use crate::lab::{Lab, OURS, desired};
use crate::report::{Line, Unit};
use crate::wire::Call;
use crate::{Options, children, say};

const SECTION: &str = "serve";
/// Slaves: 53 containers.
const SLAVES: u32 = 10;
/// How often each figure is taken, at least.
const TIMES: usize = 20;
/// Readers beside the one that measures.
const READERS: usize = 100;
/// How long nothing happens while it is measured what that costs.
const REST: Duration = Duration::from_secs(30);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was heard, and when.
type Heard = Receiver<(Instant, Json)>;

/// The server, ended when this is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn follow(lab: &Lab, _: &Options) -> Result<Vec<Line>> {
    lab.ours("up", Some(SLAVES))?;
    let server = start(lab)?;
    let engine = engine_events(lab)?;
    let reader = reader(&server.address)?;
    let mut lines = vec![rest(&server)?, memory(&server)?];
    let names: Vec<String> = {
        let all = desired(OURS, SLAVES)?;
        let nodes = all.nodes.iter().flat_map(|n| &n.containers);
        nodes.map(|c| c.name.to_string()).take(TIMES).collect()
    };
    let alone = rounds(lab, &names, &engine, &reader)?;
    let mut stopped = Vec::new();
    for at in 0..READERS {
        let stream = subscribe(&server.address)?;
        match at {
            // This one takes nothing.
            0 => stopped.push(stream),
            _ => drop(thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).for_each(drop)
            })),
        }
    }
    let among = rounds(lab, &names, &engine, &reader)?;
    drop(server);
    lab.ours("down", None)?;
    let seconds = |times: &[Duration]| times.iter().map(Duration::as_secs_f64).collect::<Vec<f64>>();
    let line = |words: &str, bound: f64, times: &[Duration]| {
        Line::alone(SECTION, words, Unit::Seconds, Some(bound), seconds(times))
    };
    lines.push(line(
        "from `die` at the engine's socket to a reader of events",
        0.01,
        &alone.0,
    ));
    lines.push(line("from `start` there to a reader, with its address", 0.02, &alone.1));
    lines.push(line(
        "`die` to a reader among 100, one of which takes nothing",
        0.01,
        &among.0,
    ));
    Ok(lines)
}

/// From the engine's event to the reader's, of each container that is killed and started again.
fn rounds(lab: &Lab, names: &[String], engine: &Heard, reader: &Heard) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut died, mut started) = (Vec::new(), Vec::new());
    for (at, name) in names.iter().enumerate() {
        children::interrupted()?;
        say(&format!("{SECTION}: {} of {}", at + 1, names.len()));
        let event = |word: &'static str| {
            move |data: &Json| data["Action"] == word && data["Actor"]["Attributes"]["name"] == name.as_str()
        };
        let instance = |data: &Json, is: &dyn Fn(&Json) -> bool| {
            let nodes = data["nodes"].as_array().into_iter().flatten();
            let mut all = nodes.flat_map(|n| n["instances"].as_array().into_iter().flatten());
            all.any(|i| i["container"] == name.as_str() && is(i))
        };
        lab.tell(&Call::post(format!("/containers/{name}/kill"), None))?;
        let told = until(engine, event("die"))?;
        let heard = until(reader, |data| instance(data, &|i| i["state"] == "exited"))?;
        died.push(heard.saturating_duration_since(told));
        lab.tell(&Call::post(format!("/containers/{name}/start"), None))?;
        let told = until(engine, event("start"))?;
        let has_address = |i: &Json| {
            let addresses = i["addresses"].as_array().into_iter().flatten();
            i["state"] == "running" && addresses.into_iter().any(|a| !a["address"].is_null())
        };
        let heard = until(reader, |data| instance(data, &has_address))?;
        started.push(heard.saturating_duration_since(told));
    }
    Ok((died, started))
}

fn until(heard: &Heard, is: impl Fn(&Json) -> bool) -> Result<Instant> {
    loop {
        let (at, data) = heard.recv_timeout(PATIENCE).context("nothing was heard")?;
        if is(&data) {
            return Ok(at);
        }
    }
}

fn start(lab: &Lab) -> Result<Server> {
    let mut command: Command = lab.topogen(&["serve", "-n", OURS, "--listen", "127.0.0.1:0"]);
    let mut process = command.stderr(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(process.stderr.take().context("a pipe")?).read_line(&mut line)?;
    let address = line.trim().split_once("http://").context("no address")?.1;
    Ok(Server {
        process,
        address: address.trim_end_matches('/').to_owned(),
    })
}

fn subscribe(address: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    Ok(stream)
}

/// The events of the server.
fn reader(address: &str) -> Result<Heard> {
    let stream = BufReader::new(subscribe(address)?);
    let (sender, heard) = channel();
    thread::spawn(move || {
        for line in stream.lines().map_while(Result::ok) {
            let data = line
                .strip_prefix("data: ")
                .and_then(|data| serde_json::from_str(data).ok());
            if data.is_some_and(|data| sender.send((Instant::now(), data)).is_err()) {
                return;
            }
        }
    });
    // The snapshot: from here on it hears of everything.
    heard.recv_timeout(PATIENCE).context("nothing was heard")?;
    Ok(heard)
}

/// The engine's own events, read at its socket as `serve` reads them.
fn engine_events(lab: &Lab) -> Result<Heard> {
    let mut stream = UnixStream::connect(&lab.place.socket)?;
    let (major, minor) = lab.place.api;
    write!(stream, "GET /v{major}.{minor}/events HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let (sender, heard) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Ok(data) = serde_json::from_str(&line)
                && sender.send((Instant::now(), data)).is_err()
            {
                return;
            }
        }
    });
    Ok(heard)
}

/// The processor's time while nothing happens.
fn rest(server: &Server) -> Result<Line> {
    children::rest();
    let before = processor(server)?;
    thread::sleep(REST);
    let took = processor(server)? - before;
    let words = "the processor's time of 30 s in which nothing happens to 53 containers";
    Ok(Line::alone(
        SECTION,
        words,
        Unit::Seconds,
        Some(REST.as_secs_f64() / 1000.0),
        vec![took],
    ))
}

/// Seconds that the server has run (proc(5), `/proc/pid/stat`).
fn processor(server: &Server) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", server.process.id()))?;
    let fields: Vec<&str> = text.rsplit_once(')').context("a name")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).context("a number");
    // The kernel counts a hundred ticks a second for programs, whatever its own are.
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

fn memory(server: &Server) -> Result<Line> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.process.id()))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no size")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    let words = "resident memory of the same";
    Ok(Line::alone(
        SECTION,
        words,
        Unit::Megabytes,
        Some(12.0),
        vec![kilobytes / 1024.0],
    ))
}
