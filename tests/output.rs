//! Where `render` writes, in directories that somebody else has prepared.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{fifo, stderr, stdout, topogen};

const BLUEPRINT: &str = r#"
roles:
  a:
    services:
      app:
        image: i
        configs: [authorized_keys2, {source: open, mode: 0640}]
        secrets: [key]
    configs:
      authorized_keys2: {content: "planted\n"}
      open: {content: "open\n"}
    secrets: {key: {content: "hidden\n"}}
"#;

/// A directory with a blueprint, and one outside it with a file that is nobody's business.
struct Ground {
    directory: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["here", "outside"] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        fs::write(directory.path().join("here/topogen.yaml"), BLUEPRINT).expect("a file");
        fs::write(directory.path().join("outside/victim"), "private\n").expect("a file");
        Self { directory }
    }

    fn here(&self) -> PathBuf {
        self.directory.path().join("here")
    }

    fn out(&self, path: &str) -> PathBuf {
        self.here().join("topogen-out").join(path)
    }

    fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    fn render(&self, arguments: &[&str]) -> Output {
        topogen(&self.here(), &[&["render"], arguments].concat())
    }

    /// Put `content` into the output directory.
    fn plant(&self, path: &str, content: &str) {
        fs::create_dir_all(self.out(path).parent().expect("a parent")).expect("a directory");
        fs::write(self.out(path), content).expect("a file");
    }

    /// Whether nothing outside was changed; with `output`, nothing of it was printed either.
    fn is_untouched(&self, output: &Output) {
        assert_eq!(
            contents(&self.outside()),
            BTreeMap::from([("victim".into(), "private\n".into())])
        );
        assert!(!stdout(output).contains("private"), "{}", stdout(output));
        assert!(!stderr(output).contains("private"), "{}", stderr(output));
    }
}

/// All files below `directory` by their paths, links not followed.
fn contents(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        if entry.file_type().expect("a type").is_dir() {
            let below = contents(&entry.path()).into_iter();
            found.extend(below.map(|(path, content)| (format!("{name}/{path}"), content)));
        } else {
            found.insert(name, fs::read_to_string(entry.path()).expect("text"));
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

const HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn nothing_is_written_through_a_link() {
    for link in ["a", "a/configs", "a/secrets"] {
        let ground = Ground::new();
        fs::create_dir_all(ground.out(link).parent().expect("a parent")).expect("a directory");
        symlink(ground.outside(), ground.out(link)).expect("a link");
        for arguments in [&[][..], &["--force"], &["--check"]] {
            let output = ground.render(arguments);
            assert_eq!(
                output.status.code(),
                Some(1),
                "{link} {arguments:?}: {}",
                stderr(&output)
            );
            let message = format!("`topogen-out/{link}` is a symbolic link, not a directory");
            assert!(stderr(&output).contains(&message), "{}", stderr(&output));
            assert!(stderr(&output).contains("\nhint: "), "{}", stderr(&output));
            ground.is_untouched(&output);
        }
    }
}

#[test]
fn a_link_in_place_of_a_file_is_in_the_way_and_replaced_by_force() {
    let ground = Ground::new();
    let path = "a/configs/authorized_keys2";
    fs::create_dir_all(ground.out("a/configs")).expect("a directory");
    symlink(ground.outside().join("victim"), ground.out(path)).expect("a link");
    let refused = ground.render(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("authorized_keys2` is a symbolic link"),
        "{}",
        stderr(&refused)
    );
    ground.is_untouched(&refused);
    let check = ground.render(&["--check"]);
    assert_eq!(check.status.code(), Some(4), "{}", stderr(&check));
    ground.is_untouched(&check);
    let forced = ground.render(&["--force"]);
    assert!(forced.status.success(), "{}", stderr(&forced));
    ground.is_untouched(&forced);
    assert!(fs::symlink_metadata(ground.out(path)).expect("a file").is_file());
    assert!(ground.render(&["--check"]).status.success());
}

#[test]
fn a_manifest_that_topogen_does_not_write_is_refused() {
    let ground = Ground::new();
    let absolute = ground.outside().join("victim").display().to_string();
    let mut shown = String::new();
    for (version, path, hashes) in [
        ("2", "a/compose.yaml", HASH),
        ("0", "a/compose.yaml", HASH),
        ("1", "../../outside/victim", HASH),
        ("1", "a/../../../outside/victim", HASH),
        ("1", absolute.as_str(), HASH),
        ("1", "", HASH),
        ("1", "a//compose.yaml", HASH),
        ("1", "./compose.yaml", HASH),
        ("1", "a\\u0000b", HASH),
        ("1", "a/compose.yaml", ""),
    ] {
        let hashes = if hashes.is_empty() {
            String::new()
        } else {
            format!("\"{hashes}\"")
        };
        let text = format!("{{\n  \"version\": {version},\n  \"files\": {{\n    \"{path}\": [{hashes}]\n  }}\n}}\n");
        ground.plant(".topogen.json", &text);
        for arguments in [&[][..], &["--force"], &["--check"]] {
            let output = ground.render(arguments);
            assert_eq!(output.status.code(), Some(1), "{text}: {}", stderr(&output));
            ground.is_untouched(&output);
            if arguments.is_empty() {
                shown += &stderr(&output).replace(&absolute, "/outside/victim");
            }
        }
        assert_eq!(contents(&ground.out("")).len(), 1, "nothing was written");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_manifest_does_not_follow_links() {
    for arguments in [&[][..], &["--force"], &["--check"]] {
        let ground = Ground::new();
        let text = format!("{{\"version\": 1, \"files\": {{\"old/victim\": [\"{HASH}\"]}}}}");
        ground.plant(".topogen.json", &text);
        symlink(ground.outside(), ground.out("old")).expect("a link");
        let output = ground.render(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("`topogen-out/old` is a symbolic link"),
            "{}",
            stderr(&output)
        );
        ground.is_untouched(&output);
    }
    // A link that is listed is removed itself if necessary.
    let ground = Ground::new();
    let text = format!("{{\"version\": 1, \"files\": {{\"old/victim\": [\"{HASH}\"]}}}}");
    ground.plant(".topogen.json", &text);
    fs::create_dir(ground.out("old")).expect("a directory");
    symlink(ground.outside().join("victim"), ground.out("old/victim")).expect("a link");
    assert_eq!(ground.render(&[]).status.code(), Some(1));
    let forced = ground.render(&["--force"]);
    assert!(forced.status.success(), "{}", stderr(&forced));
    ground.is_untouched(&forced);
    assert!(!ground.out("old").exists());
}

#[test]
fn a_manifest_that_is_no_file_or_has_no_end_is_refused() {
    type Make = fn(&Path, &Path);
    let cases: [(&str, Make); 3] = [
        ("is a symbolic link", |path, outside| {
            symlink(outside.join("victim"), path).expect("a link")
        }),
        ("is not a file", |path, _| fifo(path)),
        ("is larger than what topogen writes", |path, _| {
            File::create(path).and_then(|f| f.set_len(1 << 40)).expect("a file")
        }),
    ];
    for (reason, make) in cases {
        let ground = Ground::new();
        fs::create_dir(ground.out("")).expect("a directory");
        make(&ground.out(".topogen.json"), &ground.outside());
        for arguments in [&[][..], &["--check"], &["--force"]] {
            let output = ground.render(arguments);
            assert_eq!(output.status.code(), Some(1), "{reason}: {}", stderr(&output));
            assert!(stderr(&output).contains(reason), "{}", stderr(&output));
            ground.is_untouched(&output);
        }
    }
}

#[test]
fn rendered_files_that_are_none_or_have_no_end_are_in_the_way() {
    let ground = Ground::new();
    fs::create_dir_all(ground.out("a/configs")).expect("a directory");
    fifo(&ground.out("a/compose.yaml"));
    let large = File::create(ground.out("a/configs/open")).expect("a file");
    large.set_len(1 << 40).expect("a hole");
    let refused = ground.render(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("compose.yaml` is not a file"),
        "{}",
        stderr(&refused)
    );
    assert!(
        stderr(&refused).contains("open` is larger than"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(ground.render(&["--check"]).status.code(), Some(4));
    let forced = ground.render(&["--force"]);
    assert!(forced.status.success(), "{}", stderr(&forced));
    assert!(ground.render(&["--check"]).status.success());
}

#[test]
fn the_output_directory_may_be_a_link_itself() {
    let ground = Ground::new();
    fs::create_dir(ground.directory.path().join("real")).expect("a directory");
    symlink("../real", ground.here().join("link")).expect("a link");
    let output = ground.render(&["-o", "link"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let real = contents(&ground.directory.path().join("real"));
    assert_eq!(real["a/configs/authorized_keys2"], "planted\n");
    let missing = ground.render(&["-o", "new/and/deep"]);
    assert!(missing.status.success(), "{}", stderr(&missing));
    let file = ground.render(&["-o", "topogen.yaml"]);
    assert!(
        stderr(&file).contains("`topogen.yaml` is a file, not a directory"),
        "{}",
        stderr(&file)
    );
}

#[test]
fn what_a_killed_render_left_is_removed() {
    let ground = Ground::new();
    assert!(ground.render(&[]).status.success());
    let whole = contents(&ground.out(""));
    let plant = || {
        for path in [
            ".topogen-Ab12xY",
            "a/.topogen-1234-0",
            "a/secrets/.topogen-1234-1",
            "a/configs/.topogen-x",
        ] {
            ground.plant(path, "hidden\n");
        }
        ground.plant("a/.topogenrc", "mine\n");
        ground.plant("mine/.topogen-notes", "mine\n");
    };
    plant();
    let mut kept = whole.clone();
    kept.insert("a/.topogenrc".to_owned(), "mine\n".to_owned());
    // No render ever wrote there.
    kept.insert("mine/.topogen-notes".to_owned(), "mine\n".to_owned());
    assert!(ground.render(&["--check"]).status.success());
    assert_eq!(
        contents(&ground.out("")).len(),
        kept.len() + 4,
        "`--check` removes nothing"
    );
    assert!(ground.render(&[]).status.success());
    assert_eq!(contents(&ground.out("")), kept);
    // Also where the next render writes nothing there any more.
    plant();
    fs::write(
        ground.here().join("topogen.yaml"),
        "roles: {b: {services: {x: {image: i}}}}",
    )
    .expect("a file");
    assert!(ground.render(&[]).status.success());
    let left = contents(&ground.out(""));
    let left: Vec<&str> = left.keys().map(String::as_str).collect();
    assert_eq!(
        left,
        [".topogen.json", "a/.topogenrc", "b/compose.yaml", "mine/.topogen-notes"]
    );
}

#[test]
fn one_render_waits_for_another() {
    let ground = Ground::new();
    fs::create_dir(ground.out("")).expect("a directory");
    for arguments in [&["render"][..], &["render", "--check"]] {
        // As another render holds it.
        let lock = File::open(ground.out("")).expect("a directory");
        lock.lock().expect("a lock");
        let mut child = Command::new(env!("CARGO_BIN_EXE_topogen"))
            .args(arguments)
            .current_dir(ground.here())
            .stderr(Stdio::piped())
            .spawn()
            .expect("topogen runs");
        let mut told = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        told.read_line(&mut line).expect("a line");
        assert!(
            line.contains("another `topogen render` is at work in `topogen-out`"),
            "{line}"
        );
        assert_eq!(ground.out("a").exists(), arguments.len() > 1, "it waits");
        drop(lock);
        told.read_to_string(&mut line).expect("text");
        assert!(child.wait().expect("an end").success(), "{line}");
        assert!(ground.out("a/compose.yaml").exists());
    }
}

#[test]
fn renders_at_once_leave_what_one_of_them_leaves() {
    let ground = Ground::new();
    let start = |slaves: u32| {
        Command::new(env!("CARGO_BIN_EXE_topogen"))
            .args([
                "render",
                "-f",
                "master-slaves",
                "-o",
                "out",
                "--slaves",
                &slaves.to_string(),
            ])
            .current_dir(ground.here())
            .stderr(Stdio::null())
            .spawn()
            .expect("topogen runs")
    };
    let slaves = [40, 80, 120, 160];
    let children: Vec<_> = slaves.iter().map(|n| start(*n)).collect();
    for mut child in children {
        assert!(child.wait().expect("an end").success());
    }
    let files = contents(&ground.here().join("out"));
    let manifest: serde_json::Value = serde_json::from_str(&files[".topogen.json"]).expect("JSON");
    let mut recorded: Vec<&str> = manifest["files"]
        .as_object()
        .expect("a map")
        .keys()
        .map(String::as_str)
        .collect();
    recorded.insert(0, ".topogen.json");
    assert_eq!(
        recorded,
        files.keys().map(String::as_str).collect::<Vec<_>>(),
        "no file is forgotten"
    );
    assert!(slaves.contains(&(files.len() as u32 - 2)), "{}", files.len());
}

#[test]
fn the_umask_counts_where_no_mode_is_asked_for() {
    for (umask, compose, config, directory) in [
        ("022", 0o644, 0o444, 0o755),
        ("077", 0o600, 0o400, 0o700),
        ("027", 0o640, 0o440, 0o750),
    ] {
        let ground = Ground::new();
        let render = |arguments: &str| {
            Command::new("sh")
                .args([
                    "-c",
                    &format!("umask {umask}; exec \"$0\" {arguments}"),
                    env!("CARGO_BIN_EXE_topogen"),
                ])
                .current_dir(ground.here())
                .output()
                .expect("topogen runs")
        };
        let output = render("render");
        assert!(output.status.success(), "{}", stderr(&output));
        for (path, expected) in [
            ("a/compose.yaml", compose),
            (".topogen.json", compose),
            ("a/configs/authorized_keys2", config),
            ("a/secrets/key", config),
            ("a/configs/open", 0o640),
            ("a/secrets", directory),
        ] {
            assert_eq!(mode(&ground.out(path)), expected, "{umask} {path}");
        }
        assert!(render("render --check").status.success());
        assert!(render("graph -o lab.svg").status.success());
        assert_eq!(mode(&ground.here().join("lab.svg")), compose);
        fs::set_permissions(ground.out("a/secrets/key"), fs::Permissions::from_mode(0o604)).expect("a mode");
        let check = render("render --check");
        assert_eq!(check.status.code(), Some(4));
        assert_eq!(
            stdout(&check),
            format!("a/secrets/key: mode 0604 becomes {config:04o}\n")
        );
    }
}
