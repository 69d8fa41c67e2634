//! Precedence, refusals and ranges (issue 3, item 2), without touching the process's environment.

use super::*;

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn flag(key: &'static str, value: &str) -> Flag {
    Flag { key, value: value.into() }
}

fn refused(text: &str) -> String {
    Config::resolve(Some(("s.toml", text)), &[], &[]).unwrap_err().to_string()
}

#[test]
fn flag_goes_before_variable_before_file_before_default() {
    let file = Some(("s.toml", "listen = '127.0.0.1:1'\nshards = 1\nagent_grace = '1s'"));
    let vars = variables(&[("SWITCHBOARD_LISTEN", "127.0.0.1:2"), ("SWITCHBOARD_SHARDS", "2"), ("HOME", "/x")]);
    let config = Config::resolve(file, &vars, &[flag("listen", "127.0.0.1:3")]).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.shards, 2);
    assert_eq!(config.agent_grace, Duration::from_secs(1));
    assert_eq!(config.ping_interval, Duration::from_secs(30));
}

#[test]
fn every_key_has_a_default_that_reads_back() {
    let config = Config {
        allowed_origins: Some(vec!["https://shop.example:8443".into(), "null".into()]),
        connections_max_per_shard: Some(7),
        jwt_key_file: Some("/run/a \"b\"\\c".into()),
        kefu_time_zone_secs: -(3 * 3600 + 30 * 60),
        jwt_leeway: Duration::from_millis(1500),
        ..Config::default()
    };
    let text = config.to_toml();
    assert_eq!(Config::resolve(Some(("s.toml", &text)), &[], &[]).unwrap(), config, "{text}");
}

#[test]
fn a_secret_is_never_shown() {
    let key = "correct horse battery staple correct horse";
    let config = Config::resolve(None, &variables(&[("SWITCHBOARD_JWT_KEY", key)]), &[]).unwrap();
    assert_eq!(config.jwt_key.as_deref(), Some(key));
    assert!(!format!("{config:?}").contains("horse"));
    for error in [
        refused("[jwt]\nkey = 'short horse'"),
        Config::resolve(None, &variables(&[("SWITCHBOARD_JWT_KEY", "short horse")]), &[]).unwrap_err().to_string(),
    ] {
        assert!(error.contains("32 to 4096 bytes") && !error.contains("horse"), "{error}");
    }
}

#[test]
fn unknown_keys_are_refused_with_place_and_nearest() {
    assert_eq!(
        refused("shards = 1\n\nagent_grase = '30s'"),
        "s.toml:3:1: unknown key `agent_grase` (did you mean `agent_grace`?)"
    );
    assert_eq!(
        refused("[kefu]\ntimezone = '+08:00'"),
        "s.toml:2:1: unknown key `kefu.timezone` (did you mean `kefu.time_zone`?)"
    );
    assert_eq!(refused("level = 'info'"), "s.toml:1:1: unknown key `level` (did you mean `log.level`?)");
    assert_eq!(refused("[agent]\ngroups = []"), "s.toml:1:2: unknown key `agent` (did you mean `agents`?)");
    assert_eq!(refused("qqqqqqqqqqqq = 1"), "s.toml:1:1: unknown key `qqqqqqqqqqqq`");
}

#[test]
fn unknown_variables_are_refused_with_the_nearest() {
    let error = Config::resolve(None, &variables(&[("SWITCHBOARD_LISTN", "x")]), &[]).unwrap_err();
    assert_eq!(error.to_string(), "unknown variable SWITCHBOARD_LISTN (did you mean SWITCHBOARD_LISTEN?)");
    let nested = variables(&[("SWITCHBOARD_AGENTS_MAX_CONCURRENT", "3"), ("SWITCHBOARD_CONFIG", "ignored here")]);
    assert_eq!(Config::resolve(None, &nested, &[]).unwrap().agents_max_concurrent, 3);
}

#[test]
fn values_out_of_range_name_key_value_and_range() {
    assert_eq!(refused("shards = 0"), "s.toml:1:10: `shards` is 0; expected a whole number of 1 to 1024");
    for (text, wanted) in [
        ("shards = '2'", "`shards` is '2'; expected a whole number of 1 to 1024"),
        ("shards = -1", "`shards` is -1;"),
        ("shards = 99999999999999999999", "`shards` is 99999999999999999999;"),
        ("ping_interval = '2h'", "`ping_interval` is '2h'; expected a duration of 1s to 1h,"),
        ("ping_interval = 30", "`ping_interval` is 30; expected a duration"),
        ("ping_interval = '30'", "expected a duration"),
        ("ping_interval = '-5s'", "expected a duration"),
        ("engine = 'redis'", "`engine` is 'redis'; expected \"embedded\", \"scylla\" or \"memory\""),
        ("debug_echo = 'yes'", "expected true or false"),
        ("listen = 'localhost'", "expected an IP address and a port"),
        ("allowed_origins = ['https://a.example/']", "expected a list of origins"),
        ("allowed_origins = 'https://a.example'", "expected a list of origins"),
        ("kefu.time_zone = '+8'", "expected a fixed offset"),
        ("kefu.time_zone = '+15:00'", "expected a fixed offset"),
        ("kefu = 3", "`kefu` is integer; expected a table"),
        ("agents.groups = []", "expected a list of 1 to 64 groups"),
        ("log.level = 'info,a=noise'", "expected error, warn"),
    ] {
        let error = refused(text);
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn every_problem_is_told_and_malformed_toml_too() {
    assert_eq!(refused("shards = 0\nengine = 1\nnope_nope_nope = 1").lines().count(), 3);
    let error = refused("shards = \n");
    assert!(error.starts_with("s.toml:1:"), "{error}");
    let both = refused("[jwt]\nkey_file = 'a'\nkey = '0123456789012345678901234567890123456789'");
    assert_eq!(both, "`jwt.key` and `jwt.key_file` are both set; keep one");
}

#[test]
fn a_file_that_cannot_be_read_is_one_line() {
    let error = Config::load(Some(Path::new("/nowhere/s.toml")), &[], &[]).unwrap_err().to_string();
    assert!(error.starts_with("the config file /nowhere/s.toml cannot be read: "), "{error}");
    assert_eq!(error.lines().count(), 1);
    let named = variables(&[("SWITCHBOARD_CONFIG", "/nowhere/v.toml")]);
    let error = Config::load(None, &named, &[]).unwrap_err().to_string();
    assert!(error.contains("/nowhere/v.toml"), "{error}");
}

#[test]
fn durations_read_as_people_write_them() {
    for (text, millis) in
        [("500ms", 500), ("30s", 30_000), ("24h", 86_400_000), ("1h 30m", 5_400_000), ("2d", 172_800_000)]
    {
        assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
    }
    for text in ["", "30", "-1s", "s", "1 fortnight"] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}

#[test]
fn a_data_directory_is_made_or_refused_in_one_line() {
    let parent = tempfile::tempdir().unwrap();
    let fresh = parent.path().join("a/b");
    prepare_data_dir(&fresh).unwrap();
    prepare_data_dir(&fresh).unwrap();
    assert_eq!(std::fs::read_dir(&fresh).unwrap().count(), 0);

    let file = parent.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = prepare_data_dir(&file).unwrap_err().to_string();
    assert_eq!(error, format!("the data directory {} is not a directory", file.display()));
    let error = prepare_data_dir(&file.join("below")).unwrap_err().to_string();
    assert!(error.contains("cannot be made"), "{error}");
    let error = prepare_data_dir(Path::new("/proc/self")).unwrap_err().to_string();
    assert!(error.contains("cannot be written to"), "{error}");
}

#[test]
fn a_public_address_is_not_open_by_mistake() {
    let text = "listen = '0.0.0.0:8080'\n[auth]\nrequired = false";
    let refusal = refused(text);
    assert!(refusal.contains("auth.required") && refusal.contains("0.0.0.0:8080"), "{refusal}");
    let allowed = format!("allow_unauthenticated = true\n{text}");
    let config = |text: &str| Config::resolve(Some(("s.toml", text)), &[], &[]).unwrap();
    assert!(config(&allowed).is_open());
    assert!(config("").is_open(), "loopback");
    assert!(config("listen = '[::1]:8080'").is_open());
    for public in ["listen = '0.0.0.0:8080'", "listen = '[::]:8080'", "listen = '192.0.2.1:8080'"] {
        assert!(!config(public).is_open(), "{public}");
    }
    assert!(!config("[auth]\nrequired = true").is_open());
    let words = config("[auth]\nrequired = 'auto'").is_open() && config("[auth]\nrequired = 'false'").is_open();
    assert!(words && config("[auth]\nrequired = false").is_open(), "on loopback that is the default");
}

#[test]
fn what_is_said_about_a_cluster_must_go_together() {
    let told = |text: &str| match Config::resolve(Some(("switchboard.toml", text)), &[], &[]) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    };
    let with = |rest: &str| told(&format!("engine = 'scylla'\n[scylla]\n{rest}"));
    assert_eq!(with("contact_points = ['a:9042', '[::1]:19042']\ndata_center = 'dc1'\nrack = 'r1'"), "");
    assert_eq!(with("user = 'u'\npassword = 'p'"), "");
    for (rest, wanted) in [
        ("rack = 'r1'", "`scylla.data_center` is missing"),
        ("user = 'u'", "`scylla.password` or `scylla.password_file` is missing"),
        ("password = 'p'", "`scylla.user` is missing"),
        ("user = 'u'\npassword = 'p'\npassword_file = 'f'", "keep one"),
        ("contact_points = ['a']", "a list of 1 to 64 nodes"),
        ("contact_points = []", "a list of 1 to 64 nodes"),
        ("keyspace = 'Big'", "small letters"),
        ("keyspace = 'x; DROP'", "small letters"),
        ("consistency = 'ONE'", "\"LOCAL_QUORUM\" or \"QUORUM\""),
        ("max_in_flight = 0", "1 to 32768"),
        ("lease = '0s'", "1s to 5m"),
    ] {
        assert!(with(rest).contains(wanted), "{rest}: {}", with(rest));
    }
    assert!(told("[scylla]\nkeyspace = 'other'").contains("`engine` is not \"scylla\""));
    assert!(
        !format!(
            "{:?}",
            Config::resolve(Some(("f", "engine = 'scylla'\n[scylla]\nuser = 'u'\npassword = 'geheim'")), &[], &[])
        )
        .contains("geheim")
    );
}
