//! A browser that tests drive: headless Chromium, by its own protocol (Chrome DevTools Protocol) over two pipes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// The program.
pub(crate) const PROGRAM: &str = "chromium";
/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page in a browser of its own.
pub(crate) struct Browser {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Json>,
    asked: u64,
    session: String,
    /// What the browser has told without being asked.
    told: Vec<Json>,
    _profile: TempDir,
}

impl Browser {
    /// A page that shows nothing yet, `width` by `height` pixels, for readers who like it `light` or `dark`.
    pub(crate) fn new(width: u32, height: u32, scheme: &str) -> Self {
        let profile = tempfile::tempdir().expect("a directory");
        // The browser reads at descriptor 3 and writes at 4. What is behind them are the pipes of its stdin and stdout.
        let script = format!("exec {PROGRAM} \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1");
        let mut process = Command::new("sh")
            .args(["-c", &script, PROGRAM])
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
            ])
            .args([
                "--no-first-run",
                "--disable-extensions",
                "--disable-background-networking",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let (sender, messages) = mpsc::channel();
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("JSON");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            input: process.stdin.take().expect("it is piped"),
            process,
            messages,
            asked: 0,
            session: String::new(),
            told: Vec::new(),
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.ask("Target.attachToTarget", target);
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700});
        browser.ask("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.ask("Emulation.setEmulatedMedia", scheme);
        browser
    }

    /// The result of a command.
    pub(crate) fn ask(&mut self, method: &str, params: Json) -> Json {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&message).expect("JSON");
        bytes.push(0);
        self.input.write_all(&bytes).expect("the browser runs");
        loop {
            let mut answer = self
                .messages
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no answer to {message}; told: {:#?}", self.told.last()));
            if answer["id"] != self.asked {
                self.told.push(answer);
                continue;
            }
            assert!(answer["error"].is_null(), "{message}: {answer}");
            return answer["result"].take();
        }
    }

    /// Goes to `url`.
    pub(crate) fn open(&mut self, url: &str) {
        let answer = self.ask("Page.navigate", json!({"url": url}));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
    }

    /// The value of a JavaScript expression, or of the promise that it is.
    pub(crate) fn value(&mut self, expression: &str) -> Json {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.ask("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer:#}");
        answer["result"]["value"].take()
    }

    /// Waits until a JavaScript expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        // A page that is about to be another one may know nothing of what is asked yet.
        let is = format!(
            "new Promise(done => {{
                const end = Date.now() + {limit};
                const look = () => {{
                    let is = false;
                    try {{ is = Boolean({expression}); }} catch {{}}
                    if (is || Date.now() > end) done(is); else setTimeout(look, 20);
                }};
                look();
            }})",
            limit = PATIENCE.as_millis() - 5000,
        );
        let is = self.value(&is);
        assert_eq!(
            is,
            json!(true),
            "never came to be: {expression}\n{}",
            self.value("document.body.innerText")
        );
    }

    /// Presses and releases a key: `Tab`, `Enter`, `ArrowDown`, `/`.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => 0,
        };
        let text = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        let down = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "text": text});
        self.ask("Input.dispatchKeyEvent", down);
        let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.ask("Input.dispatchKeyEvent", up);
    }

    /// The addresses that were asked for so far.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        let asked = self.told.iter().filter(|m| m["method"] == "Network.requestWillBeSent");
        asked
            .filter_map(|m| Some(m["params"]["request"]["url"].as_str()?.to_owned()))
            .collect()
    }

    /// What went wrong in the page so far: exceptions, and what its policy forbade.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        let is_one = |m: &&Json| match m["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Log.entryAdded") => {
                let entry = &m["params"]["entry"];
                entry["level"] == "error" && entry["source"] != "network"
            }
            _ => false,
        };
        self.told.iter().filter(is_one).map(ToString::to_string).collect()
    }

    /// The page as a PNG, in the directory that `TOPOGEN_SCREENSHOTS` names; nowhere without it.
    pub(crate) fn picture(&mut self, name: &str) {
        use base64::Engine as _;
        let Some(directory) = std::env::var_os("TOPOGEN_SCREENSHOTS") else {
            return;
        };
        let shot = self.ask("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = base64::prelude::BASE64_STANDARD.decode(shot["data"].as_str().expect("text"));
        let path = std::path::Path::new(&directory).join(format!("{name}.png"));
        std::fs::write(path, bytes.expect("base64")).expect("a file");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when its pipe does; where it does not, it is ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
