//! What the parts count, in the form in which it is told: metrics, readiness, a call's quality.

use serde_json::{Value as Json, json};

use super::desk::Desk;
use super::shared::Shared;
use crate::media::CallQuality;
use crate::ops::Sample;
use crate::sip::{SipStats, TrunkStats};
use crate::speech::SpeechStats;
use crate::store::DatabaseState;
use crate::web::Check;

/// A call's figures as stored with it.
pub(super) fn quality(quality: &CallQuality) -> Json {
    let millis = |d: std::time::Duration| d.as_secs_f64() * 1e3;
    json!({
        "packets_received": quality.packets_received,
        "packets_sent": quality.packets_sent,
        "lost": quality.lost,
        "late": quality.late,
        "duplicate": quality.duplicate,
        "foreign": quality.foreign,
        "unauthentic": quality.unauthentic,
        "invalid": quality.invalid,
        "concealed_ms": quality.concealed_ms,
        "jitter_ms": quality.jitter_ms,
        "buffer_ms": quality.buffer_ms,
        "remote_loss": quality.remote_loss,
        "round_trip_ms": quality.round_trip.map(millis),
        "mos": quality.mos,
        "pacing_error_max_ms": millis(quality.pacing_error_max),
        "first_audio_ms": quality.first_audio_sent.map(millis),
        "tap_dropped": quality.tap_dropped,
    })
}

/// What readiness depends on. A database that is away does not stop calls: the spool takes them (N18).
pub(super) fn checks(shared: &Shared, draining: bool, trunks: &[TrunkStats]) -> Vec<Check> {
    let database = *shared.store.state().borrow() == DatabaseState::Up;
    let waiting = format!("{} records wait in the spool", shared.store.unsent());
    vec![
        Check { name: "sip", ok: !draining, detail: if draining { "stopping".into() } else { String::new() } },
        Check {
            name: "database",
            ok: true,
            detail: if database { String::new() } else { format!("away; calls go on, {waiting}") },
        },
        Check {
            name: "disk",
            ok: true,
            detail: if shared.room.is_short() {
                "nearly full; calls go on, recordings wait for room".into()
            } else {
                String::new()
            },
        },
        // Calls come in all the same.
        Check { name: "trunks", ok: true, detail: trunk_faults(trunks) },
    ]
}

/// Which ways out are closed.
fn trunk_faults(trunks: &[TrunkStats]) -> String {
    let fault = |trunk: &TrunkStats| match (trunk.up, trunk.registered) {
        (false, _) => Some(format!("{} is down", trunk.name)),
        (true, Some(false)) => Some(format!("{} does not know us", trunk.name)),
        (true, Some(true) | None) => None,
    };
    trunks.iter().filter_map(fault).collect::<Vec<_>>().join(", ")
}

fn trunk_samples(trunks: &[TrunkStats]) -> [Sample; 5] {
    let count = |counted: fn(&TrunkStats) -> bool| trunks.iter().filter(|trunk| counted(trunk)).count() as f64;
    let sum = |of: fn(&TrunkStats) -> u64| trunks.iter().map(of).sum();
    [
        Sample::now("trunks_up", "Trunks that carry calls", count(|trunk| trunk.up)),
        Sample::now("trunks_down", "Trunks that do not", count(|trunk| !trunk.up)),
        Sample::now(
            "trunk_calls",
            "Calls of ours that are set up or up",
            trunks.iter().map(|trunk| trunk.in_use).sum::<usize>() as f64,
        ),
        Sample::total("trunk_calls_tried", "Calls given to a trunk", sum(|trunk| trunk.tried)),
        Sample::total("trunk_calls_failed", "Calls that a trunk could not carry", sum(|trunk| trunk.failed)),
    ]
}

/// Everything that the parts count themselves.
pub(super) fn samples(shared: &Shared, sip: SipStats, trunks: &[TrunkStats]) -> Vec<Sample> {
    let media = shared.engine.stats();
    let up = *shared.store.state().borrow() == DatabaseState::Up;
    let mut samples = vec![
        Sample::now("calls", "Calls that are up", shared.counters.live() as f64),
        Sample::total("sip_requests", "SIP requests from trusted sources", sip.requests),
        Sample::total(
            "sip_untrusted",
            "Datagrams and connections from untrusted sources, dropped unread",
            sip.untrusted,
        ),
        Sample::total("sip_malformed", "SIP messages answered 400 or dropped", sip.malformed),
        Sample::total("sip_unauthorized", "SIP requests answered 401", sip.unauthorized),
        Sample::total("sip_over_capacity", "Calls answered 503", sip.over_capacity),
        Sample::total("sip_refused", "SIP requests refused for another reason", sip.refused),
        Sample::now("media_sessions", "Media sessions that are open", media.sessions as f64),
        Sample::now("media_ports_free", "RTP port pairs that are free", media.ports_available as f64),
        Sample::total("media_received", "Datagrams received by the audio engine", media.received),
        Sample::total("media_sent", "RTP packets sent", media.sent),
        Sample::total("media_send_errors", "Datagrams that the system would not send", media.send_errors),
        Sample::total("media_events_dropped", "Events that the audio engine dropped", media.events_dropped),
        Sample::total(
            "media_taps_dropped",
            "Audio blocks that recorder or listener were too slow for",
            media.taps_dropped,
        ),
        Sample::now("disk_free_bytes", "Room on the disk of the recordings", shared.room.free() as f64),
        Sample::now(
            "disk_short",
            "Whether the disk has less room than recordings must leave",
            f64::from(u8::from(shared.room.is_short())),
        ),
        Sample::total("recordings_deleted", "Recordings deleted to make room", shared.room.deleted()),
        Sample::now("recordings_waiting", "Recordings that wait for room on the disk", media.recordings_waiting as f64),
        Sample::total("recordings_given_up", "Recordings whose file could not be written", media.recordings_given_up),
        Sample::total(
            "recording_lost_milliseconds",
            "Audio of recordings that could not be written",
            media.recording_lost_ms,
        ),
        Sample::now("database_up", "Whether the database answers", f64::from(u8::from(up))),
        Sample::now("spool_records", "Records on disk that are not in the database", shared.store.unsent() as f64),
        Sample::now("spool_bytes", "Size of the spool", shared.store.spool_bytes() as f64),
    ];
    samples.extend(trunk_samples(trunks));
    samples.extend(desk_samples(&shared.desk));
    if let Some(speech) = &shared.speech {
        samples.extend(speech_samples(&speech.stats()));
    }
    samples
}

fn desk_samples(desk: &Desk) -> [Sample; 5] {
    let (service, ready, waiting) = desk.figures();
    [
        Sample::now("desk_ready", "Operators who are ready", ready as f64),
        Sample::now("desk_waiting", "Callers who wait for a person", waiting as f64),
        Sample::total("desk_answered", "Callers who reached a person", service.answered),
        Sample::total("desk_answered_in_time", "Callers who reached a person within 15 s", service.in_time),
        Sample::total("desk_given_up", "Callers who left before a person came", service.given_up),
    ]
}

fn speech_samples(speech: &SpeechStats) -> Vec<Sample> {
    let (answers, utterances) = speech.waiting;
    vec![
        Sample::now("speech_answers_waiting", "Answers of callers that wait for recognition", answers as f64),
        Sample::now(
            "speech_utterances_waiting",
            "Utterances of finished calls that wait for recognition",
            utterances as f64,
        ),
        Sample::total("speech_answers", "Answers of callers recognised", speech.answered),
        Sample::total("speech_busy", "Answers turned away because too many waited", speech.busy),
        Sample::total("speech_late", "Answers that were not recognised in time", speech.late),
        Sample::total("speech_captions", "Captions of calls in progress", speech.captions),
        Sample::total("speech_captions_skipped", "Captions left out for want of a worker", speech.captions_skipped),
        Sample::total("speech_utterances", "Utterances of finished calls recognised", speech.utterances),
        Sample::total("speech_dropped", "Texts kept out because nobody said them", speech.drops.values().sum()),
        Sample::total("speech_audio_milliseconds", "Audio given to the recogniser", duration_ms(speech.audio)),
        Sample::total("speech_work_milliseconds", "Processor time of recognition threads", duration_ms(speech.work)),
    ]
}

fn duration_ms(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
