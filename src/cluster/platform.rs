//! Platforms of images, as `linux/arm64/v8`.

/// Whether an image can stand for one of the platform `asked` for: nothing is, or it is not known to be for another one.
#[must_use]
pub fn is_for(asked: Option<&str>, present: Option<&str>) -> bool {
    asked
        .zip(present)
        .is_none_or(|(asked, present)| is_platform(asked, present))
}

/// Whether an image for the platform `present` is what is meant by `asked`: the parts that both say are equal. Architectures
/// have several names (containerd `platforms/database.go`), and arm64 has version 8 where nothing else is said.
fn is_platform(asked: &str, present: &str) -> bool {
    let (asked, present) = (parts(asked), parts(present));
    let agree = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
    asked.iter().zip(&present).all(|(a, b)| agree(a, b))
}

/// The operating system, the architecture and its version, each empty if it is not said.
fn parts(platform: &str) -> [String; 3] {
    let lower = platform.to_lowercase();
    let mut said = lower.split('/');
    let [first, second, third] = [(); 3].map(|()| said.next().unwrap_or_default());
    // One word alone is an operating system, if there is one of that name, or else an architecture.
    let is_alone = second.is_empty() && !matches!(first, "linux" | "windows" | "darwin" | "freebsd");
    let (system, architecture, version) = match is_alone {
        true => ("", first, second),
        false => (first, second, third),
    };
    let (architecture, implied) = match architecture {
        "x86_64" | "x86-64" => ("amd64", ""),
        "aarch64" => ("arm64", ""),
        "armhf" => ("arm", "v7"),
        "armel" => ("arm", "v6"),
        "i386" | "i486" | "i586" | "i686" | "x86" => ("386", ""),
        other => (other, ""),
    };
    let version = if version.is_empty() { implied } else { version };
    let version = match (architecture, version) {
        ("arm64", "v8" | "8") | ("amd64", "v1") => "",
        ("arm", "5" | "6" | "7" | "8") => &format!("v{version}"),
        (_, version) => version,
    };
    [system, architecture, version].map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_agree_in_what_both_say() {
        for (asked, present) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("linux", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/arm/7", "linux/arm/v7"),
            ("LINUX/AARCH64", "linux/arm64"),
        ] {
            assert!(is_platform(asked, present), "{asked} {present}");
        }
        for (asked, present) in [
            ("linux/arm64", "linux/amd64"),
            ("arm64", "linux/amd64"),
            ("windows/amd64", "linux/amd64"),
            ("linux/arm/v6", "linux/arm/v7"),
            ("windows", "linux/amd64"),
            ("linux/riscv64", "linux/amd64"),
        ] {
            assert!(!is_platform(asked, present), "{asked} {present}");
        }
    }
}
