use super::*;
use crate::domain::signing_key::PublicKeyMaterial;

const MAX_AGE: u64 = 300;
const INTERVAL: u64 = 90 * 24 * 3600;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_795_000_000_000_000) + Duration::from_secs(seconds)
}

fn rules() -> KeyRules {
    KeyRules {
        interval: Some(Duration::from_secs(INTERVAL)),
        max_age: Duration::from_secs(MAX_AGE),
        cached_until: None,
    }
}

fn made(name: &str, state: KeyState, now: Timestamp, until: Option<Timestamp>) -> KeyRecord {
    let material = PublicKeyMaterial::p256(name.to_owned(), name.to_owned());
    KeyRecord {
        public: PublicKey::new(SigningAlgorithm::Es256, material),
        state,
        created_at: now,
        since: now,
        until,
    }
}

/// Carries steps out; keys that they make get a name each.
fn carry_out(keys: &mut Vec<KeyRecord>, steps: Vec<Step>, now: Timestamp) {
    for step in steps {
        match step {
            Step::Make { state, until, .. } => {
                keys.push(made(&format!("{now:?}"), state, now, until));
            }
            Step::Move(record) => {
                let key = keys
                    .iter_mut()
                    .find(|key| key.public.id == record.public.id);
                *key.expect("a key") = record;
            }
            Step::Remove(id) => keys.retain(|key| key.public.id != id),
        }
        let active = keys.iter().filter(|key| key.state == KeyState::Active);
        assert!(active.count() <= 1, "two keys of one algorithm sign");
    }
}

fn states(keys: &[KeyRecord]) -> Vec<KeyState> {
    keys.iter().map(|key| key.state).collect()
}

#[test]
fn the_schedule_publishes_before_it_signs_and_keeps_until_the_last_token_has_ended() {
    let mut keys = vec![made("first", KeyState::Active, at(0), None)];
    let mut log = Vec::new();
    let mut now = at(0);
    while let Some(due) = due_at(&keys, &rules()).filter(|due| *due <= at(2 * INTERVAL)) {
        assert!(due > now, "the schedule goes on");
        assert_eq!(
            super::due(&keys, &rules(), due - Duration::from_micros(1)),
            []
        );
        now = due;
        let steps = super::due(&keys, &rules(), now);
        assert!(!steps.is_empty(), "nothing is due at {now:?}");
        carry_out(&mut keys, steps, now);
        log.push((now, states(&keys)));
    }
    use KeyState::{Active, Next, Retired, Retiring};
    let known = MAX_AGE + 2;
    assert_eq!(
        log,
        [
            (at(INTERVAL - known), vec![Active, Next]),
            (at(INTERVAL), vec![Retiring, Active]),
            (at(INTERVAL) + LONGEST_TOKEN, vec![Retired, Active]),
            (at(2 * INTERVAL - known), vec![Retired, Active, Next]),
            (at(2 * INTERVAL), vec![Retired, Retiring, Active]),
        ]
    );
}

#[test]
fn no_key_signs_before_verifiers_know_it() {
    let mut keys = vec![made("first", KeyState::Active, at(0), None)];
    let steps = rotate(&keys, &rules(), SigningAlgorithm::Es256, at(10)).expect("a rotation");
    carry_out(&mut keys, steps, at(10));
    let next = keys[1].public.id.clone();
    let ready_at = at(10 + MAX_AGE + 2);
    for now in [at(10), ready_at - Duration::from_micros(1)] {
        assert_eq!(due(&keys, &rules(), now), []);
        assert_eq!(
            activate(&keys, &rules(), &next, now),
            Err(KeyRefusal::NotReady { ready_at })
        );
    }
    let steps = activate(&keys, &rules(), &next, ready_at).expect("it is ready");
    assert_eq!(steps, due(&keys, &rules(), ready_at));
    carry_out(&mut keys, steps, ready_at);
    assert_eq!(states(&keys), [KeyState::Retiring, KeyState::Active]);
    assert_eq!(activate(&keys, &rules(), &next, ready_at), Ok(vec![]));
}

#[test]
fn a_shorter_freshness_counts_only_when_the_longer_one_has_passed() {
    let shortened = KeyRules {
        max_age: Duration::from_secs(1),
        cached_until: Some(at(302)),
        ..rules()
    };
    let mut keys = vec![made("first", KeyState::Active, at(0), None)];
    let steps = rotate(&keys, &shortened, SigningAlgorithm::Es256, at(0)).expect("steps");
    carry_out(&mut keys, steps, at(0));
    assert_eq!(keys[1].until, Some(at(302)));
    assert_eq!(due(&keys, &shortened, at(301)), []);
    assert_eq!(due(&keys, &shortened, at(302)).len(), 2);
}

#[test]
fn a_rotation_on_demand_brings_a_planned_one_forward_and_never_puts_it_off() {
    let planned = at(INTERVAL);
    let keys = [
        made("first", KeyState::Active, at(0), None),
        made("second", KeyState::Next, at(0), Some(planned)),
    ];
    let until = |now| match &rotate(&keys, &rules(), SigningAlgorithm::Es256, now).expect("steps")[..]
    {
        [Step::Move(key)] => key.until,
        other => panic!("{other:?}"),
    };
    assert_eq!(until(at(1)), Some(at(MAX_AGE + 2)));
    assert_eq!(until(at(1000)), Some(at(1000)));
    assert_eq!(until(at(2 * INTERVAL)), Some(planned));
}

#[test]
fn a_revoked_key_is_followed_at_once() {
    let first = made("first", KeyState::Active, at(0), None);
    let next = made("second", KeyState::Next, at(1), Some(at(1000)));
    let id = first.public.id.clone();

    let mut alone = vec![first.clone()];
    let steps = revoke(&alone, &id, at(2)).expect("steps");
    carry_out(&mut alone, steps, at(2));
    assert_eq!(states(&alone), [KeyState::Revoked, KeyState::Active]);
    assert_eq!(revoke(&alone, &id, at(3)), Ok(vec![]));

    let mut two = vec![first, next];
    let steps = revoke(&two, &id, at(2)).expect("steps");
    carry_out(&mut two, steps, at(2));
    assert_eq!(states(&two), [KeyState::Revoked, KeyState::Active]);
}

#[test]
fn what_is_in_use_is_not_removed() {
    for state in KeyState::ALL {
        let keys = [made("a", state, at(0), None)];
        let removed = remove(&keys, &keys[0].public.id);
        let in_use = matches!(state, KeyState::Active | KeyState::Retiring);
        assert_eq!(removed.is_err(), in_use, "{state:?}");
    }
    let absent = KeyId::from_thumbprint("x".to_owned());
    assert_eq!(remove(&[], &absent), Err(KeyRefusal::Absent));
}

#[test]
fn the_set_of_published_keys_is_bounded() {
    let many: Vec<_> = (0..MAX_PUBLISHED)
        .map(|n| {
            made(
                &n.to_string(),
                KeyState::Retiring,
                at(0),
                Some(at(INTERVAL)),
            )
        })
        .collect();
    let refused = rotate(&many, &rules(), SigningAlgorithm::Es256, at(1));
    assert_eq!(refused, Err(KeyRefusal::TooMany));
    // Nor does the schedule ask again and again for what it can't have.
    let mut full = many;
    full[0] = made("active", KeyState::Active, at(0), None);
    assert_eq!(due(&full, &rules(), at(INTERVAL - 1)), []);
    assert_eq!(due_at(&full, &rules()), Some(at(INTERVAL)));
}

#[test]
fn without_an_interval_nothing_is_due() {
    let rules = KeyRules {
        interval: None,
        ..rules()
    };
    let keys = [made("first", KeyState::Active, at(0), None)];
    assert_eq!(due_at(&keys, &rules), None);
    assert_eq!(due(&keys, &rules, at(100 * INTERVAL)), []);
}

/// As a clock writes them that is 400 days ahead.
const AHEAD: u64 = 400 * 24 * 3600;

#[test]
fn times_in_the_future_count_from_now() {
    let now = at(1_000);
    let known = Some(now + rules().published_for());
    let over = Some(now + LONGEST_TOKEN);
    for (state, until) in [
        (KeyState::Next, known),
        (KeyState::Active, None),
        (KeyState::Retiring, over),
        (KeyState::Retired, None),
        (KeyState::Revoked, None),
    ] {
        let planned = until.map(|_| at(AHEAD + INTERVAL));
        let wrong = made("a", state, at(AHEAD), planned);
        let born_before = KeyRecord {
            created_at: at(5),
            ..wrong.clone()
        };
        for (key, created_at) in [(wrong, now), (born_before, at(5))] {
            let mended = KeyRecord {
                created_at,
                since: now,
                until,
                ..key.clone()
            };
            let steps = due(&[key], &rules(), now);
            assert_eq!(steps, [Step::Move(mended.clone())], "{state:?}");
            assert_eq!(due(&[mended], &rules(), now), [], "{state:?}: once");
        }
        // Two instances whose clocks are right may be this far apart.
        let slightly = made("a", state, at(1_000 + 120), planned);
        assert_eq!(due(&[slightly], &rules(), now), [], "{state:?}");
    }
}

#[test]
fn a_schedule_that_a_wrong_clock_wrote_goes_on() {
    let mut keys = vec![
        made(
            "retiring",
            KeyState::Retiring,
            at(AHEAD),
            Some(at(AHEAD) + LONGEST_TOKEN),
        ),
        made("active", KeyState::Active, at(AHEAD), None),
        made("next", KeyState::Next, at(AHEAD), Some(at(AHEAD + 302))),
    ];
    let mut now = at(0);
    for expected in [
        [KeyState::Retiring, KeyState::Active, KeyState::Next],
        [KeyState::Retiring, KeyState::Retiring, KeyState::Active],
        [KeyState::Retired, KeyState::Retiring, KeyState::Active],
        [KeyState::Retired, KeyState::Retired, KeyState::Active],
    ] {
        let steps = due(&keys, &rules(), now);
        carry_out(&mut keys, steps, now);
        assert_eq!(states(&keys), expected, "{now:?}");
        now = looked_at(&keys, &rules(), now).expect("a time");
    }
    assert!(now <= at(3 * 24 * 3600) + LOOKED_AT_EVERY);
}

#[test]
fn a_rotation_on_demand_brings_back_a_next_key_of_the_future() {
    let now = at(1_000);
    let mut keys = vec![
        made("active", KeyState::Active, at(0), None),
        made("stuck", KeyState::Next, at(AHEAD), Some(at(AHEAD + 302))),
    ];
    let steps = rotate(&keys, &rules(), SigningAlgorithm::Es256, now).expect("steps");
    carry_out(&mut keys, steps, now);
    let ready_at = now + rules().published_for();
    assert_eq!((keys[1].created_at, keys[1].since), (now, now));
    assert_eq!(keys[1].until, Some(ready_at));
    assert!(activate(&keys, &rules(), &keys[1].public.id, ready_at).is_ok());
    // Who only signs may have the clock that is wrong, and brings nothing back.
    let introduced = introduce(&keys, &rules(), SigningAlgorithm::EdDsa, at(0));
    assert!(matches!(
        introduced.expect("steps")[..],
        [Step::Make { .. }]
    ));
}

#[test]
fn the_schedule_looks_at_the_keys_every_week_at_least() {
    let keys = [made("first", KeyState::Active, at(0), None)];
    let due_at = due_at(&keys, &rules()).expect("a time");
    assert_eq!(
        looked_at(&keys, &rules(), at(0)),
        Some(at(0) + LOOKED_AT_EVERY)
    );
    let shortly_before = due_at - Duration::from_secs(1);
    assert_eq!(looked_at(&keys, &rules(), shortly_before), Some(due_at));
}

/// A policy that was changed by a wrong clock.
#[test]
fn nobody_keeps_a_jwk_set_for_longer_than_a_policy_may_say() {
    let wrong = KeyRules {
        cached_until: Some(at(AHEAD)),
        ..rules()
    };
    let known = at(10) + LONGEST_FRESHNESS + LATE;
    assert_eq!(wrong.known_at(at(10)), known);
    let longest = serde_json::json!({ "jwks_max_age": LONGEST_FRESHNESS.as_secs() });
    let longer = serde_json::json!({ "jwks_max_age": LONGEST_FRESHNESS.as_secs() + 1 });
    let patched = |patch: &serde_json::Value| {
        let members = patch.as_object().expect("an object");
        crate::domain::policy_patch::patched(&crate::domain::tenant::Policy::default(), members)
    };
    assert!(patched(&longest).is_ok() && patched(&longer).is_err());
}
