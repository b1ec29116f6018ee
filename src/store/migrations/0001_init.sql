-- The first schema. Times are timestamptz (UTC); dates are days in China Standard Time. Migrations only add.
-- What a column means stands in its COMMENT, at the end of this file.

-- The district -----------------------------------------------------------------------------------------------------------

CREATE TABLE organisations (
    id        bigint PRIMARY KEY,
    parent_id bigint REFERENCES organisations,
    level     text NOT NULL CHECK (level IN ('district', 'township', 'village', 'point')),
    name      text NOT NULL,
    kind      text NOT NULL,
    address   text,
    phone     text,
    CHECK ((level = 'district') = (parent_id IS NULL))
);
CREATE TABLE windows (
    code     smallint PRIMARY KEY CHECK (code BETWEEN 1 AND 9),
    name     text NOT NULL,
    name_en  text NOT NULL,
    keywords text[] NOT NULL
);
CREATE TABLE service_items (
    id               bigint PRIMARY KEY,
    window_code      smallint NOT NULL REFERENCES windows,
    name             text NOT NULL,
    promise          text NOT NULL,
    promise_workdays smallint NOT NULL CHECK (promise_workdays BETWEEN 0 AND 250),
    procedure        text NOT NULL,
    keywords         text[] NOT NULL
);
CREATE TABLE station_items (
    org_id  bigint REFERENCES organisations,
    item_id bigint REFERENCES service_items,
    PRIMARY KEY (org_id, item_id)
);
CREATE TABLE persons (
    id     bigint PRIMARY KEY,
    org_id bigint NOT NULL REFERENCES organisations,
    name   text NOT NULL,
    phone  text,
    member boolean NOT NULL,
    agent  boolean NOT NULL
);
CREATE TABLE posts (
    id          bigint PRIMARY KEY,
    org_id      bigint NOT NULL REFERENCES organisations,
    window_code smallint REFERENCES windows,
    title       text NOT NULL,
    a_person_id bigint NOT NULL REFERENCES persons,
    b_person_id bigint NOT NULL REFERENCES persons,
    CHECK (a_person_id <> b_person_id)
);
CREATE TABLE households (
    id        bigint PRIMARY KEY,
    org_id    bigint NOT NULL REFERENCES organisations,
    head      text NOT NULL,
    phone     text,
    member_id bigint NOT NULL REFERENCES persons
);
CREATE TABLE teams (
    id     bigint PRIMARY KEY,
    org_id bigint NOT NULL REFERENCES organisations,
    name   text NOT NULL,
    kind   text NOT NULL
);
CREATE TABLE calendar_days (
    day    date PRIMARY KEY,
    worked boolean NOT NULL,
    name   text NOT NULL
);
CREATE TABLE office_hours (
    opens  time PRIMARY KEY,
    closes time NOT NULL CHECK (closes > opens)
);

-- Calls ------------------------------------------------------------------------------------------------------------------

CREATE TABLE calls (
    id               uuid PRIMARY KEY,
    line             text NOT NULL,
    caller           text,
    called           text NOT NULL,
    sip_call_id      text NOT NULL,
    flow             text NOT NULL,
    started_at       timestamptz NOT NULL,
    answered_at      timestamptz,
    ended_at         timestamptz,
    end_reason       text,
    codec            text,
    quality          jsonb,
    recording_path   text,
    recording_sha256 text,
    recording_ms     bigint,
    transcript_state text NOT NULL DEFAULT 'none' CHECK (transcript_state IN ('none', 'queued', 'running', 'done', 'failed'))
);
CREATE INDEX calls_started ON calls (started_at DESC, id DESC);
CREATE TABLE call_events (
    call_id uuid REFERENCES calls,
    seq     integer,
    at_ms   bigint NOT NULL,
    kind    text NOT NULL,
    detail  jsonb NOT NULL,
    PRIMARY KEY (call_id, seq)
);
CREATE TABLE transcript_segments (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id    uuid NOT NULL REFERENCES calls,
    channel    smallint NOT NULL,
    start_ms   bigint NOT NULL,
    end_ms     bigint NOT NULL CHECK (end_ms >= start_ms),
    text       text NOT NULL,
    confidence real,
    UNIQUE (call_id, channel, start_ms)
);
CREATE TABLE segment_corrections (
    segment_id bigint REFERENCES transcript_segments,
    version    integer,
    text       text NOT NULL,
    author_id  bigint NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (segment_id, version)
);
CREATE TABLE transcription_jobs (
    call_id      uuid PRIMARY KEY REFERENCES calls,
    attempts     smallint NOT NULL DEFAULT 0,
    leased_until timestamptz,
    last_error   text
);

-- Cases ------------------------------------------------------------------------------------------------------------------

CREATE TABLE number_blocks (
    first     bigint PRIMARY KEY,
    last      bigint NOT NULL,
    holder    text NOT NULL,
    leased_at timestamptz NOT NULL
);
CREATE TABLE case_moves (
    from_state text,
    to_state   text,
    PRIMARY KEY (from_state, to_state)
);
CREATE TABLE cases (
    number      bigint PRIMARY KEY,
    call_id     uuid NOT NULL REFERENCES calls,
    line        text NOT NULL,
    origin      text NOT NULL,
    kind        text NOT NULL,
    state       text NOT NULL,
    window_code smallint REFERENCES windows,
    item_id     bigint REFERENCES service_items,
    village_id  bigint REFERENCES organisations,
    place       text NOT NULL,
    words       text NOT NULL,
    summary     text NOT NULL,
    callback    text,
    owner_post_id bigint NOT NULL REFERENCES posts,
    promise     text NOT NULL,
    due_on      date NOT NULL,
    received_at timestamptz NOT NULL,
    opened_at   timestamptz NOT NULL,
    closed_at   timestamptz,
    version     integer NOT NULL DEFAULT 1
);
CREATE INDEX cases_opened ON cases (opened_at DESC, number DESC);
CREATE INDEX cases_call ON cases (call_id);
CREATE TABLE case_events (
    case_number bigint REFERENCES cases,
    seq         integer,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    kind        text NOT NULL,
    from_state  text,
    to_state    text,
    reason      text NOT NULL,
    detail      jsonb NOT NULL,
    PRIMARY KEY (case_number, seq),
    FOREIGN KEY (from_state, to_state) REFERENCES case_moves
);

-- People who log in, and what they did -----------------------------------------------------------------------------------

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('operator', 'evaluator', 'admin', 'auditor')),
    password_hash text,
    disabled      boolean NOT NULL DEFAULT false,
    failed_logins smallint NOT NULL DEFAULT 0,
    locked_until  timestamptz,
    created_at    timestamptz NOT NULL
);
CREATE TABLE login_sessions (
    token_sha256 text PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    csrf         text NOT NULL,
    created_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL
);
CREATE TABLE login_links (
    token_sha256 text PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    expires_at   timestamptz NOT NULL
);
CREATE TABLE api_tokens (
    token_sha256 text PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    created_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);
CREATE TABLE audit (
    seq    bigint PRIMARY KEY,
    at     timestamptz NOT NULL,
    actor  text NOT NULL,
    action text NOT NULL,
    object text NOT NULL,
    reason text NOT NULL,
    prev   text NOT NULL,
    hash   text NOT NULL
);

-- Rules that no program may break ----------------------------------------------------------------------------------------

-- The same table as `cases::State::may_become`; a test compares them.
INSERT INTO case_moves (from_state, to_state) VALUES
    ('received', 'assigned'),
    ('assigned', 'accepted'), ('assigned', 'received'),
    ('accepted', 'handling'), ('accepted', 'received'),
    ('handling', 'answered'), ('handling', 'received'),
    ('answered', 'follow_up'), ('answered', 'closed'), ('answered', 'handling'),
    ('follow_up', 'closed'), ('follow_up', 'handling'),
    ('closed', 'archived'), ('closed', 'handling');

ALTER TABLE case_moves ADD CHECK (from_state <> to_state);
ALTER TABLE number_blocks ADD CHECK (first >= 1000000 AND last >= first AND last < 100000000000);
ALTER TABLE cases
    ADD CHECK (state IN ('received', 'assigned', 'accepted', 'handling', 'answered', 'follow_up', 'closed', 'archived')),
    ADD CHECK (kind IN ('enquiry', 'request', 'complaint')),
    ADD CHECK (origin IN ('dialogue', 'person', 'recording', 'abandoned')),
    ADD CHECK ((closed_at IS NOT NULL) = (state IN ('closed', 'archived'))),
    ADD CHECK (version >= 1);
ALTER TABLE case_events
    ADD CHECK (kind IN ('opened', 'moved', 'assigned', 'corrected', 'noted')),
    ADD CHECK ((kind = 'moved') = (from_state IS NOT NULL AND to_state IS NOT NULL));
ALTER TABLE transcript_segments ADD CHECK (confidence BETWEEN 0 AND 1);
ALTER TABLE segment_corrections ADD FOREIGN KEY (author_id) REFERENCES users, ADD CHECK (version >= 1);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON case_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON case_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE ON transcript_segments FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON segment_corrections FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON number_blocks FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION guard_case() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'received' THEN
            RAISE EXCEPTION 'case % opened as %', NEW.number, NEW.state USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.number, OLD.call_id, OLD.line, OLD.origin, OLD.words, OLD.received_at, OLD.opened_at)
        IS DISTINCT FROM (NEW.number, NEW.call_id, NEW.line, NEW.origin, NEW.words, NEW.received_at, NEW.opened_at) THEN
        RAISE EXCEPTION 'case %: what was recorded at opening never changes', OLD.number
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state
        AND NOT EXISTS (SELECT FROM case_moves WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'case %: no move from % to %', OLD.number, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_case BEFORE INSERT OR UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION guard_case();
CREATE TRIGGER never_deleted BEFORE DELETE ON cases FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Checked at commit: the newest event that names a state names the state the case is in, so no case moves in silence.
CREATE FUNCTION require_case_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text;
    stands text;
BEGIN
    SELECT to_state INTO told FROM case_events
        WHERE case_number = NEW.number AND to_state IS NOT NULL ORDER BY seq DESC LIMIT 1;
    SELECT state INTO stands FROM cases WHERE number = NEW.number;
    IF told IS DISTINCT FROM stands THEN
        RAISE EXCEPTION 'case %: is % but its events say %', NEW.number, stands, told
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER require_case_event AFTER INSERT OR UPDATE OF state ON cases
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_case_event();

CREATE INDEX calls_unended ON calls (started_at) WHERE ended_at IS NULL;
CREATE INDEX cases_owner ON cases (owner_post_id, state);
CREATE INDEX login_sessions_user ON login_sessions (user_id);
CREATE INDEX persons_org ON persons (org_id);
CREATE INDEX households_member ON households (member_id);

-- What every table and column means --------------------------------------------------------------------------------------

COMMENT ON TABLE organisations IS 'One unit of the service network: district, townships, villages, and the stations and points that belong to them.';
COMMENT ON COLUMN organisations.id IS 'Key; stable across loads of the directory.';
COMMENT ON COLUMN organisations.parent_id IS 'The unit above; null for the district alone.';
COMMENT ON COLUMN organisations.level IS 'district, township, village: the units; point: a place of service that belongs to the unit above it (centre, station, point of a 居民小组).';
COMMENT ON COLUMN organisations.name IS 'As people say it: 高龙潭社区.';
COMMENT ON COLUMN organisations.kind IS 'district, township or village for a unit; for a point: centre, party_centre, station, party_station, health_station, point or party_point.';
COMMENT ON COLUMN organisations.address IS 'Street address for a visitor; null where none is published.';
COMMENT ON COLUMN organisations.phone IS 'Published number; null where none is.';

COMMENT ON TABLE windows IS 'The eight windows (A7), one key each.';
COMMENT ON COLUMN windows.code IS 'The key a caller presses.';
COMMENT ON COLUMN windows.name IS 'Name in Chinese.';
COMMENT ON COLUMN windows.name_en IS 'Name in English.';
COMMENT ON COLUMN windows.keywords IS 'Words of a caller that point here, most telling first.';

COMMENT ON TABLE service_items IS 'What a resident can ask for, with what is promised (B16).';
COMMENT ON COLUMN service_items.id IS 'Key.';
COMMENT ON COLUMN service_items.window_code IS 'The window that handles it.';
COMMENT ON COLUMN service_items.name IS 'As published: 高龄津贴申领.';
COMMENT ON COLUMN service_items.promise IS 'The promise in words, as spoken.';
COMMENT ON COLUMN service_items.promise_workdays IS 'The promise in work days, counted from the day after opening; 0: the same day.';
COMMENT ON COLUMN service_items.procedure IS 'What to bring and how it goes, in one or two sentences.';
COMMENT ON COLUMN service_items.keywords IS 'Words of a caller that point here, most telling first.';

COMMENT ON TABLE station_items IS 'Which items are offered at which station (C2: ten or more each).';
COMMENT ON COLUMN station_items.org_id IS 'The station.';
COMMENT ON COLUMN station_items.item_id IS 'The item.';

COMMENT ON TABLE persons IS 'People who work for the district. Never callers.';
COMMENT ON COLUMN persons.id IS 'Key.';
COMMENT ON COLUMN persons.org_id IS 'Where they work.';
COMMENT ON COLUMN persons.name IS 'Their name.';
COMMENT ON COLUMN persons.phone IS 'Their number, whole; null: none on file. Shown masked.';
COMMENT ON COLUMN persons.member IS 'Party member.';
COMMENT ON COLUMN persons.agent IS 'Designated agent (代办员).';

COMMENT ON TABLE posts IS 'Posts with A and B role (B19).';
COMMENT ON COLUMN posts.id IS 'Key.';
COMMENT ON COLUMN posts.org_id IS 'Where it stands.';
COMMENT ON COLUMN posts.window_code IS 'The window it serves; null: a duty post.';
COMMENT ON COLUMN posts.title IS '社会保障窗口.';
COMMENT ON COLUMN posts.a_person_id IS 'Who holds the A role.';
COMMENT ON COLUMN posts.b_person_id IS 'Who stands in; never the same person.';

COMMENT ON TABLE households IS 'Households and the Party member in contact with each (B9).';
COMMENT ON COLUMN households.id IS 'Key.';
COMMENT ON COLUMN households.org_id IS 'The village or point it belongs to.';
COMMENT ON COLUMN households.head IS 'Head of the household.';
COMMENT ON COLUMN households.phone IS 'Number, whole; null: none on file. Shown masked.';
COMMENT ON COLUMN households.member_id IS 'The contact member.';

COMMENT ON TABLE teams IS 'Mobile service teams (C9, C11).';
COMMENT ON COLUMN teams.id IS 'Key.';
COMMENT ON COLUMN teams.org_id IS 'Where it is based.';
COMMENT ON COLUMN teams.name IS 'Its name.';
COMMENT ON COLUMN teams.kind IS 'One of the nine kinds (C9), in full: 党员志愿服务队.';

COMMENT ON TABLE calendar_days IS 'Days that differ from the week, as the State Council orders each year.';
COMMENT ON COLUMN calendar_days.day IS 'The day, China Standard Time.';
COMMENT ON COLUMN calendar_days.worked IS 'true: a worked weekend day; false: a holiday.';
COMMENT ON COLUMN calendar_days.name IS '国庆节, 国庆节调休.';

COMMENT ON TABLE office_hours IS 'Spans of a work day in which offices are open, China Standard Time.';
COMMENT ON COLUMN office_hours.opens IS 'First minute open.';
COMMENT ON COLUMN office_hours.closes IS 'First minute closed.';

COMMENT ON TABLE calls IS 'One call, from its INVITE to its end.';
COMMENT ON COLUMN calls.id IS 'UUID version 7; sorts by time.';
COMMENT ON COLUMN calls.line IS 'The dialled line, by its configured name.';
COMMENT ON COLUMN calls.caller IS 'Signalled number, whole; null: withheld. Shown masked.';
COMMENT ON COLUMN calls.called IS 'Dialled number as signalled.';
COMMENT ON COLUMN calls.sip_call_id IS 'Call-ID of the dialog (RFC 3261 §8.1.1.4).';
COMMENT ON COLUMN calls.flow IS 'name@version of the flow that spoke; empty until answered.';
COMMENT ON COLUMN calls.started_at IS 'When the INVITE came.';
COMMENT ON COLUMN calls.answered_at IS 'When 200 OK went out; null: never answered, or its answer not yet known.';
COMMENT ON COLUMN calls.ended_at IS 'When it ended; null: in progress, or its end not yet known.';
COMMENT ON COLUMN calls.end_reason IS 'caller, flow, cancelled, no_rtp, max_duration, drain, error, crash; null until ended.';
COMMENT ON COLUMN calls.codec IS 'Negotiated codec; null until answered.';
COMMENT ON COLUMN calls.quality IS 'Figures of the audio engine at the end: packets, lost, late, concealed_ms, jitter_ms, mos; null: none taken.';
COMMENT ON COLUMN calls.recording_path IS 'Below data_dir; null: nothing recorded.';
COMMENT ON COLUMN calls.recording_sha256 IS 'SHA-256 of the file in hexadecimal; null: nothing recorded.';
COMMENT ON COLUMN calls.recording_ms IS 'Length in milliseconds; null: nothing recorded.';
COMMENT ON COLUMN calls.transcript_state IS 'none, queued, running, done or failed.';

COMMENT ON TABLE call_events IS 'The way one call went through its flow.';
COMMENT ON COLUMN call_events.call_id IS 'The call.';
COMMENT ON COLUMN call_events.seq IS 'Order within the call.';
COMMENT ON COLUMN call_events.at_ms IS 'Milliseconds since answer.';
COMMENT ON COLUMN call_events.kind IS 'state, prompt, key, heard, asked, case, hold, note and others.';
COMMENT ON COLUMN call_events.detail IS 'What belongs to the kind.';

COMMENT ON TABLE transcript_segments IS 'What was said, as recognised.';
COMMENT ON COLUMN transcript_segments.id IS 'Key.';
COMMENT ON COLUMN transcript_segments.call_id IS 'The call.';
COMMENT ON COLUMN transcript_segments.channel IS '0 caller, 1 gateway.';
COMMENT ON COLUMN transcript_segments.start_ms IS 'Milliseconds since the recording began.';
COMMENT ON COLUMN transcript_segments.end_ms IS 'As start_ms.';
COMMENT ON COLUMN transcript_segments.text IS 'As recognised; never changed.';
COMMENT ON COLUMN transcript_segments.confidence IS 'From token probabilities, 0 to 1; null: our own prompt, known text.';

COMMENT ON TABLE segment_corrections IS 'Corrections of a segment, all kept; the highest version holds.';
COMMENT ON COLUMN segment_corrections.segment_id IS 'The segment.';
COMMENT ON COLUMN segment_corrections.version IS '1 for the first correction.';
COMMENT ON COLUMN segment_corrections.text IS 'The corrected text.';
COMMENT ON COLUMN segment_corrections.author_id IS 'Who corrected it.';
COMMENT ON COLUMN segment_corrections.at IS 'When.';

COMMENT ON TABLE transcription_jobs IS 'Calls whose recording waits to be transcribed; removed when done.';
COMMENT ON COLUMN transcription_jobs.call_id IS 'The call.';
COMMENT ON COLUMN transcription_jobs.attempts IS 'Claims so far.';
COMMENT ON COLUMN transcription_jobs.leased_until IS 'Until when a worker holds it; null: never claimed. After a failure: not before.';
COMMENT ON COLUMN transcription_jobs.last_error IS 'Why the last attempt failed; null: none has.';

COMMENT ON TABLE number_blocks IS 'Blocks of case serials handed to gateways, for ever.';
COMMENT ON COLUMN number_blocks.first IS 'First serial of the block.';
COMMENT ON COLUMN number_blocks.last IS 'Last serial of the block.';
COMMENT ON COLUMN number_blocks.holder IS 'Which installation holds it.';
COMMENT ON COLUMN number_blocks.leased_at IS 'When.';

COMMENT ON TABLE case_moves IS 'The moves that a case may make; every other is refused.';
COMMENT ON COLUMN case_moves.from_state IS 'State before.';
COMMENT ON COLUMN case_moves.to_state IS 'State after.';

COMMENT ON TABLE cases IS 'One request of a resident.';
COMMENT ON COLUMN cases.number IS 'With its check digit, as spoken.';
COMMENT ON COLUMN cases.call_id IS 'The call that opened it.';
COMMENT ON COLUMN cases.line IS 'The line that was dialled.';
COMMENT ON COLUMN cases.origin IS 'dialogue, person, recording or abandoned.';
COMMENT ON COLUMN cases.kind IS 'enquiry, request or complaint.';
COMMENT ON COLUMN cases.state IS 'Where it stands; changes only along case_moves.';
COMMENT ON COLUMN cases.window_code IS 'The window; null: none chosen.';
COMMENT ON COLUMN cases.item_id IS 'The service item; null: none named.';
COMMENT ON COLUMN cases.village_id IS 'The village; null: none named.';
COMMENT ON COLUMN cases.place IS 'The place in the callers words; empty: none given.';
COMMENT ON COLUMN cases.words IS 'The callers words as recognised; never changed. Empty: only the recording.';
COMMENT ON COLUMN cases.summary IS 'What operators corrected the words to; equal to words at first.';
COMMENT ON COLUMN cases.callback IS 'Number to ring back, whole; null: none known. Shown masked.';
COMMENT ON COLUMN cases.owner_post_id IS 'The post that answers for it; never null.';
COMMENT ON COLUMN cases.promise IS 'What was promised, in words.';
COMMENT ON COLUMN cases.due_on IS 'Last day of the promise, China Standard Time.';
COMMENT ON COLUMN cases.received_at IS 'When the caller spoke the first word: the clock of every deadline.';
COMMENT ON COLUMN cases.opened_at IS 'When the case was opened.';
COMMENT ON COLUMN cases.closed_at IS 'When it was closed; null unless closed or archived.';
COMMENT ON COLUMN cases.version IS 'Raised by every change; whoever changes names the version seen.';

COMMENT ON TABLE case_events IS 'What happened to a case, append-only (B18).';
COMMENT ON COLUMN case_events.case_number IS 'The case.';
COMMENT ON COLUMN case_events.seq IS 'Order within the case, from 1.';
COMMENT ON COLUMN case_events.at IS 'When.';
COMMENT ON COLUMN case_events.actor IS 'User name, or gateway.';
COMMENT ON COLUMN case_events.kind IS 'opened, moved, assigned, corrected or noted.';
COMMENT ON COLUMN case_events.from_state IS 'moved: the state before; null otherwise.';
COMMENT ON COLUMN case_events.to_state IS 'opened, moved: the state after; null otherwise.';
COMMENT ON COLUMN case_events.reason IS 'Why, in the actors words; may be empty.';
COMMENT ON COLUMN case_events.detail IS 'opened: owner_post; assigned: from_post, to_post; corrected: field, before, after.';

COMMENT ON TABLE users IS 'People who log in.';
COMMENT ON COLUMN users.id IS 'Key.';
COMMENT ON COLUMN users.name IS 'Login name.';
COMMENT ON COLUMN users.role IS 'operator, evaluator, admin or auditor.';
COMMENT ON COLUMN users.password_hash IS 'argon2id, PHC string; null: may log in by one-time link only.';
COMMENT ON COLUMN users.disabled IS 'May not log in.';
COMMENT ON COLUMN users.failed_logins IS 'Wrong passwords since the last right one.';
COMMENT ON COLUMN users.locked_until IS 'No login before; null: not locked.';
COMMENT ON COLUMN users.created_at IS 'When added.';

COMMENT ON TABLE login_sessions IS 'Browsers that are logged in.';
COMMENT ON COLUMN login_sessions.token_sha256 IS 'SHA-256 of the cookies token, hexadecimal.';
COMMENT ON COLUMN login_sessions.user_id IS 'Who.';
COMMENT ON COLUMN login_sessions.csrf IS 'Token that every form carries.';
COMMENT ON COLUMN login_sessions.created_at IS 'When logged in: the absolute limit counts from here.';
COMMENT ON COLUMN login_sessions.seen_at IS 'Last request: the idle limit counts from here.';

COMMENT ON TABLE login_links IS 'One-time logins; deleted when used.';
COMMENT ON COLUMN login_links.token_sha256 IS 'SHA-256 of the links token, hexadecimal.';
COMMENT ON COLUMN login_links.user_id IS 'Whom it logs in.';
COMMENT ON COLUMN login_links.expires_at IS 'Not valid from then on.';

COMMENT ON TABLE api_tokens IS 'Bearer tokens of the JSON interface.';
COMMENT ON COLUMN api_tokens.token_sha256 IS 'SHA-256 of the token, hexadecimal.';
COMMENT ON COLUMN api_tokens.user_id IS 'Whose rights it carries.';
COMMENT ON COLUMN api_tokens.created_at IS 'When made.';
COMMENT ON COLUMN api_tokens.revoked_at IS 'Not valid from then on; null: valid.';

COMMENT ON TABLE audit IS 'Who saw or did what, append-only and chained by hashes (R12.4).';
COMMENT ON COLUMN audit.seq IS 'From 1, gapless.';
COMMENT ON COLUMN audit.at IS 'When.';
COMMENT ON COLUMN audit.actor IS 'User name, or gateway.';
COMMENT ON COLUMN audit.action IS 'login, listen, download, reveal, correct, move, assign, user_add, token and others.';
COMMENT ON COLUMN audit.object IS 'call/<id>, case/<number>, user/<name>.';
COMMENT ON COLUMN audit.reason IS 'As given; may be empty.';
COMMENT ON COLUMN audit.prev IS 'Hash of the row before; 64 zeros for the first.';
COMMENT ON COLUMN audit.hash IS 'SHA-256, hexadecimal, over prev and every other column.';
