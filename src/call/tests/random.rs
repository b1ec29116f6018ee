//! Callers who do anything.

use std::collections::BTreeSet;

use super::*;
use crate::call::phase::Phase;
use crate::flow::Step;

/// 10,000 callers who do anything at any time, the store and the recogniser included: every call ends, with exactly one
/// case, or with none when it only asked how one stands; and no more than a few prompts pass without the caller's turn.
#[test]
fn whatever_is_done_the_call_ends_well() {
    let mut visited = BTreeSet::new();
    for seed in 0..10_000_u64 {
        random_call(seed, &mut visited);
    }
    let flow = Flow::parse(HOTLINE).expect("a flow");
    // A call does not stay in a state that only speaks.
    let stays = flow.states().filter(|(_, state)| !matches!(state.step, Step::Say { .. } | Step::Verify { .. }));
    let states = stays.map(|(_, state)| state.name.clone());
    let all: BTreeSet<_> = states.chain([NOTICE.to_owned()]).collect();
    assert_eq!(visited, all, "the walk misses states");
}

fn random_call(seed: u64, visited: &mut BTreeSet<String>) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new(&[]);
    world.store_fails = random.below(10) == 0;
    if random.below(3) == 0 {
        world.progress = Some(ProgressAnswer {
            state: crate::cases::State::ALL[random.below(8)],
            owner: PostId(3),
            due_on: "2026-10-09".parse().expect("a date"),
        });
    }
    const WORDS: [&str; 14] = [
        PENSION,
        "医保",
        "对",
        "不对",
        "我要找人",
        "再说一遍",
        "慢一点",
        "返回",
        "进度",
        "着火了",
        "嗯哪",
        "一零零零零零零四",
        "高龙坝四十二号",
        "我家后面的水沟堵了很久了",
    ];
    world.give(Input::Start);
    world.give(Input::Answered);
    let mut steps = 0;
    let mut unheard = 0;
    while world.ended.is_none() {
        steps += 1;
        assert!(steps < MAX_STEPS, "seed {seed}: stuck: {:?}", &world.log[world.log.len() - 20..]);
        let before = world.log.len();
        match random.below(40) {
            0..=8 => {
                let key = char::from(b"0123456789*#A"[random.below(13)]);
                world.give(Input::Digit { key, source: KeySource::Rtp });
            }
            9..=15 => {
                world.hears.clear();
                world.hears.extend([Ok(WORDS[random.below(WORDS.len())]); 3]);
                world.give(Input::SpeechStarted { at: world.media_time() });
            }
            16 => {
                world.hears.clear();
                world.hears.extend([Err(Nothing::Empty), Err(Nothing::Busy), Err(Nothing::TooLate)]);
                world.give(Input::SpeechStarted { at: world.media_time() });
            }
            17..=22 => world.give(Input::SpeechEnded { at: world.media_time() }),
            23 => world.give(Input::StreamChanged { held: random.below(2) == 0 }),
            24 if random.below(50) == 0 => world.give(Input::HungUp),
            25 if random.below(50) == 0 => world.give(Input::Drain),
            26 => world.give(Input::Heard { ask: AskId(0), text: "迟到".to_owned(), confidence: 1.0 }),
            27..=29 => world.pass(Duration::from_millis(100)),
            _ => {
                if world.hears.is_empty() {
                    world.hears.extend([Ok("喂"); 3]);
                }
                // Time goes on to whatever is next.
                let next = world.next_event().expect("a live call has a deadline");
                world.at(next);
                match world.playing.take_if(|(_, _, end)| *end <= next) {
                    Some((id, _, _)) => world.give(Input::PlaybackDone { id, interrupted: false }),
                    None => world.give(Input::Timeout),
                }
            }
        }
        while world.hears.len() < 3 {
            world.hears.push_back(Ok("喂"));
        }
        visited.insert(world.call.state().to_owned());
        let played = world.log.len() - before;
        let heard = !matches!(world.call.phase, Phase::Saying(_));
        unheard = if heard { 0 } else { unheard + played };
        assert!(unheard < 60, "seed {seed}: talks without listening: {:?}", &world.log[world.log.len() - 20..]);
    }
    let lasted = world.now - world.start >= CASE_AFTER;
    let told = world.log.iter().any(|l| l.contains("progress.is"));
    assert!(world.drafts <= 1, "seed {seed}: {:?}", world.log);
    assert!(world.drafts == 1 || told || !lasted, "seed {seed}: {:?}", world.log);
    assert!(world.now - world.start <= MAX_CALL, "seed {seed}");
}

/// xorshift64: the same calls in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }
}
