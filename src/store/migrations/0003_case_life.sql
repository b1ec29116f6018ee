-- The whole life of a case: its moves, who is to accept it, its log chained by hashes. Times are timestamptz (UTC); dates
-- are days in China Standard Time. What a column means stands in its COMMENT, at the end of this file.

-- Moves ------------------------------------------------------------------------------------------------------------------

CREATE TABLE case_steps (
    move       text,
    from_state text,
    to_state   text NOT NULL,
    PRIMARY KEY (move, from_state),
    UNIQUE (move, from_state, to_state)
);
-- The same table as `cases::MOVES`; a test compares them.
INSERT INTO case_steps (move, from_state, to_state) VALUES
    ('assign', 'received', 'assigned'), ('assign', 'assigned', 'assigned'),
    ('assign', 'accepted', 'assigned'), ('assign', 'handling', 'assigned'),
    ('accept', 'assigned', 'accepted'),
    ('handle', 'accepted', 'handling'),
    ('answer', 'handling', 'answered'),
    ('follow_up', 'answered', 'follow_up'),
    ('close', 'answered', 'closed'), ('close', 'follow_up', 'closed'),
    ('archive', 'closed', 'archived'),
    ('return', 'assigned', 'received'), ('return', 'accepted', 'received'), ('return', 'handling', 'received'),
    ('redo', 'answered', 'handling'), ('redo', 'follow_up', 'handling'), ('redo', 'closed', 'handling'),
    ('extend', 'received', 'received'), ('extend', 'assigned', 'assigned'),
    ('extend', 'accepted', 'accepted'), ('extend', 'handling', 'handling'),
    ('urge', 'received', 'received'), ('urge', 'assigned', 'assigned'),
    ('urge', 'accepted', 'accepted'), ('urge', 'handling', 'handling'),
    ('supervise', 'received', 'received'), ('supervise', 'assigned', 'assigned'),
    ('supervise', 'accepted', 'accepted'), ('supervise', 'handling', 'handling');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON case_steps FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What was written so far says by which move a case went, who owned it, and what was promised. Nothing is bound by hashes
-- yet, so this once it may be filled in.
ALTER TABLE case_events DISABLE TRIGGER append_only;
ALTER TABLE case_events ADD COLUMN move text;
UPDATE case_events AS e SET move = s.move FROM case_steps AS s
    WHERE e.kind = 'moved' AND s.from_state = e.from_state AND s.to_state = e.to_state;
UPDATE case_events AS e
    SET detail = e.detail || jsonb_build_object('owner', coalesce(e.detail->'owner_post', to_jsonb(k.owner_post_id)), 'due_on', k.due_on)
    FROM cases AS k WHERE e.kind = 'opened' AND k.number = e.case_number;
UPDATE case_events SET detail = detail || jsonb_build_object('owner', detail->'to_post') WHERE kind = 'assigned';
ALTER TABLE case_events ENABLE TRIGGER append_only;

ALTER TABLE case_events
    DROP CONSTRAINT case_events_from_state_to_state_fkey,
    DROP CONSTRAINT case_events_kind_check,
    ADD CONSTRAINT case_events_kind_check CHECK (kind IN
        ('opened', 'moved', 'assigned', 'corrected', 'noted', 'linked', 'unlinked', 'part_added', 'part_done')),
    ADD CHECK ((kind = 'moved') = (move IS NOT NULL)),
    ADD CHECK (reason <> '' OR move IS NULL OR move NOT IN ('return', 'redo', 'extend', 'urge', 'supervise')),
    ADD FOREIGN KEY (move, from_state, to_state) REFERENCES case_steps (move, from_state, to_state);
DROP TABLE case_moves;

-- Where a case stands, as its log says -------------------------------------------------------------------------------------

ALTER TABLE cases
    ADD COLUMN first_post_id   bigint REFERENCES posts,
    ADD COLUMN offered_post_id bigint REFERENCES posts,
    ADD COLUMN clock_from      timestamptz,
    ADD COLUMN returns         smallint NOT NULL DEFAULT 0 CHECK (returns BETWEEN 0 AND 2),
    ADD COLUMN extensions      smallint NOT NULL DEFAULT 0 CHECK (extensions BETWEEN 0 AND 2),
    ADD COLUMN supervised      boolean NOT NULL DEFAULT false;
UPDATE cases SET first_post_id = coalesce(
        (SELECT (detail->>'owner')::bigint FROM case_events WHERE case_number = number AND kind = 'opened' LIMIT 1), owner_post_id),
    offered_post_id = CASE WHEN state = 'assigned' THEN owner_post_id END,
    returns = least(2, (SELECT count(*) FROM case_events WHERE case_number = number AND move = 'return')),
    clock_from = coalesce((SELECT max(at) FROM case_events WHERE case_number = number AND move = 'redo'), received_at);
ALTER TABLE cases
    ALTER COLUMN first_post_id SET NOT NULL,
    ALTER COLUMN clock_from SET NOT NULL,
    ADD CHECK ((state = 'assigned') = (offered_post_id IS NOT NULL));
CREATE INDEX cases_open ON cases (opened_at DESC, number DESC) WHERE state NOT IN ('closed', 'archived');

CREATE OR REPLACE FUNCTION guard_case() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'received' THEN
            RAISE EXCEPTION 'case % opened as %', NEW.number, NEW.state USING ERRCODE = 'check_violation';
        END IF;
        NEW.first_post_id := NEW.owner_post_id;
        NEW.clock_from := NEW.received_at;
        RETURN NEW;
    END IF;
    IF (OLD.number, OLD.call_id, OLD.line, OLD.origin, OLD.words, OLD.received_at, OLD.opened_at, OLD.first_post_id)
        IS DISTINCT FROM
       (NEW.number, NEW.call_id, NEW.line, NEW.origin, NEW.words, NEW.received_at, NEW.opened_at, NEW.first_post_id) THEN
        RAISE EXCEPTION 'case %: what was recorded at opening never changes', OLD.number
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state
        AND NOT EXISTS (SELECT FROM case_steps WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'case %: no move from % to %', OLD.number, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    -- Accepted by the post that it was offered to, or given back: a case changes hands in no other way.
    IF NEW.owner_post_id <> OLD.owner_post_id
        AND NOT (NEW.state = 'received' AND OLD.state <> 'received')
        AND NOT (NEW.state = 'accepted' AND OLD.state = 'assigned' AND NEW.owner_post_id = OLD.offered_post_id) THEN
        RAISE EXCEPTION 'case %: post % has not accepted it', OLD.number, NEW.owner_post_id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.returns < OLD.returns OR NEW.extensions < OLD.extensions THEN
        RAISE EXCEPTION 'case %: returns and extensions are never forgotten', OLD.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- Checked at commit: the newest event that names a state or an owner names the one that the case has.
CREATE OR REPLACE FUNCTION require_case_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text;
    stands text;
    told_owner bigint;
    told_due date;
    owns bigint;
    due date;
BEGIN
    SELECT to_state INTO told FROM case_events
        WHERE case_number = NEW.number AND to_state IS NOT NULL ORDER BY seq DESC LIMIT 1;
    SELECT (detail->>'owner')::bigint INTO told_owner FROM case_events
        WHERE case_number = NEW.number AND detail ? 'owner' ORDER BY seq DESC LIMIT 1;
    SELECT (detail->>'due_on')::date INTO told_due FROM case_events
        WHERE case_number = NEW.number AND detail ? 'due_on' ORDER BY seq DESC LIMIT 1;
    SELECT state, owner_post_id, due_on INTO stands, owns, due FROM cases WHERE number = NEW.number;
    IF (told, told_owner, told_due) IS DISTINCT FROM (stands, owns, due) THEN
        RAISE EXCEPTION 'case %: is % with post % until %, but its events say %, %, %',
            NEW.number, stands, owns, due, told, told_owner, told_due USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER require_case_event ON cases;
CREATE CONSTRAINT TRIGGER require_case_event AFTER INSERT OR UPDATE OF state, owner_post_id, due_on ON cases
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_case_event();

-- The log's chain --------------------------------------------------------------------------------------------------------

CREATE TABLE case_log (
    link        bigint PRIMARY KEY CHECK (link >= 1),
    case_number bigint NOT NULL,
    seq         integer NOT NULL,
    prev        text NOT NULL,
    hash        text NOT NULL,
    UNIQUE (case_number, seq),
    FOREIGN KEY (case_number, seq) REFERENCES case_events (case_number, seq)
);

-- A field with its length before it, so that no two events give the same bytes.
CREATE FUNCTION chain_field(field text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(int8send(octet_length(field)::bigint) || convert_to(field, 'UTF8'), int8send(-1::bigint))
$$;
CREATE FUNCTION case_event_hash(prev text, link bigint, e case_events) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(sha256(chain_field(prev) || chain_field(link::text) || chain_field((e).case_number::text)
        || chain_field((e).seq::text) || chain_field((extract(epoch FROM (e).at) * 1000000)::bigint::text)
        || chain_field((e).actor) || chain_field((e).kind) || chain_field((e).move) || chain_field((e).from_state)
        || chain_field((e).to_state) || chain_field((e).reason) || chain_field((e).detail::text)), 'hex')
$$;
CREATE FUNCTION link_case_event(e case_events) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last_link bigint;
    last_hash text;
BEGIN
    PERFORM pg_advisory_xact_lock(7883954086132711432);
    SELECT link, hash INTO last_link, last_hash FROM case_log ORDER BY link DESC LIMIT 1;
    last_link := coalesce(last_link, 0);
    last_hash := coalesce(last_hash, repeat('0', 64));
    INSERT INTO case_log (link, case_number, seq, prev, hash)
        VALUES (last_link + 1, e.case_number, e.seq, last_hash, case_event_hash(last_hash, last_link + 1, e));
END $$;
DO $$
DECLARE
    e case_events;
BEGIN
    FOR e IN SELECT * FROM case_events ORDER BY at, case_number, seq LOOP
        PERFORM link_case_event(e);
    END LOOP;
END $$;
-- At commit, when a transaction holds every other lock that it needs: waiting for the chain then blocks nobody.
CREATE FUNCTION chain_case_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM link_case_event(NEW);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chain_case_event AFTER INSERT ON case_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chain_case_event();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON case_log FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON case_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What somebody is to do ---------------------------------------------------------------------------------------------------

ALTER TABLE cases ADD COLUMN offered_at timestamptz;
UPDATE cases SET offered_at = (SELECT max(at) FROM case_events WHERE case_number = number AND move = 'assign') WHERE state = 'assigned';
ALTER TABLE cases ADD CHECK ((offered_post_id IS NULL) = (offered_at IS NULL));
ALTER TABLE campaigns ADD COLUMN notice text UNIQUE;
ALTER TABLE users ADD COLUMN person_id bigint REFERENCES persons;

CREATE TABLE tasks (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('missed', 'message', 'dissatisfied', 'person', 'extended',
                                              'unaccepted', 'amber', 'red', 'red_leader', 'listed', 'answered')),
    about       text NOT NULL,
    case_number bigint REFERENCES cases,
    call_id     uuid REFERENCES calls,
    callback_id bigint UNIQUE REFERENCES callback_tasks,
    number      text,
    person_id   bigint REFERENCES persons,
    promised    date,
    created_at  timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    sample_id   bigint UNIQUE REFERENCES sample,
    claimed_at  timestamptz,
    claimed_by  text,
    done_at     timestamptz,
    done_by     text,
    outcome     text CHECK (outcome IN ('done', 'unreachable', 'acknowledged', 'moot')),
    UNIQUE (kind, about),
    CHECK (case_number IS NOT NULL OR call_id IS NOT NULL OR callback_id IS NOT NULL),
    CHECK ((claimed_at IS NULL) = (claimed_by IS NULL)),
    CHECK ((done_at IS NULL) = (done_by IS NULL) AND (done_by IS NULL) = (outcome IS NULL))
);
CREATE INDEX tasks_open ON tasks (due_at, id) WHERE done_at IS NULL;
CREATE INDEX tasks_number ON tasks (number) WHERE kind IN ('missed', 'message');
CREATE INDEX tasks_case ON tasks (case_number);
CREATE TRIGGER never_deleted BEFORE DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE FUNCTION guard_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.done_at IS NOT NULL THEN
        RAISE EXCEPTION 'task %: what was done is not changed', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_task BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION guard_task();

-- Cases that belong together -----------------------------------------------------------------------------------------------

ALTER TABLE cases ADD COLUMN lead_number bigint REFERENCES cases CHECK (lead_number <> number);
CREATE INDEX cases_lead ON cases (lead_number) WHERE lead_number IS NOT NULL;
CREATE TABLE case_parts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_number bigint NOT NULL REFERENCES cases,
    post_id     bigint NOT NULL REFERENCES posts,
    what        text NOT NULL CHECK (what <> ''),
    created_at  timestamptz NOT NULL,
    created_by  text NOT NULL,
    done_at     timestamptz,
    done_by     text,
    result      text CHECK (result <> ''),
    CHECK ((done_at IS NULL) = (done_by IS NULL) AND (done_by IS NULL) = (result IS NULL))
);
CREATE INDEX case_parts_case ON case_parts (case_number, id);
CREATE TRIGGER never_deleted BEFORE DELETE ON case_parts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE FUNCTION guard_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.done_at IS NOT NULL OR (OLD.id, OLD.case_number, OLD.post_id, OLD.what, OLD.created_at, OLD.created_by)
        IS DISTINCT FROM (NEW.id, NEW.case_number, NEW.post_id, NEW.what, NEW.created_at, NEW.created_by) THEN
        RAISE EXCEPTION 'part %: what was asked and what was done never change', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_part BEFORE UPDATE ON case_parts FOR EACH ROW EXECUTE FUNCTION guard_part();
-- Checked at commit: nothing is closed while a part of it is open, and nothing joins a case that has itself joined another.
CREATE FUNCTION guard_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM cases AS k JOIN case_parts AS p ON p.case_number = k.number
               WHERE k.number = NEW.number AND k.state IN ('closed', 'archived') AND p.done_at IS NULL) THEN
        RAISE EXCEPTION 'case %: a part of it is open', NEW.number USING ERRCODE = 'check_violation';
    END IF;
    IF EXISTS (SELECT FROM cases AS k WHERE k.number = NEW.number AND k.lead_number IS NOT NULL
               AND (EXISTS (SELECT FROM cases AS l WHERE l.number = k.lead_number AND l.lead_number IS NOT NULL)
                    OR EXISTS (SELECT FROM cases AS f WHERE f.lead_number = k.number))) THEN
        RAISE EXCEPTION 'case %: a case joins one that stands by itself', NEW.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER guard_whole AFTER UPDATE OF state, lead_number ON cases
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION guard_whole();

-- What every table and column means --------------------------------------------------------------------------------------

COMMENT ON TABLE case_steps IS 'The moves that a case may make, each from where to where; every other is refused.';
COMMENT ON COLUMN case_steps.move IS 'assign, accept, handle, answer, follow_up, close, archive, return, redo, extend, urge or supervise.';
COMMENT ON COLUMN case_steps.from_state IS 'State before.';
COMMENT ON COLUMN case_steps.to_state IS 'State after; the same for what leaves a case where it stands.';

COMMENT ON COLUMN case_events.kind IS 'opened, moved, corrected, noted, linked, unlinked, part_added or part_done; assigned in logs of earlier versions: given to a post without asking it.';
COMMENT ON COLUMN case_events.move IS 'moved: which move; null otherwise.';
COMMENT ON COLUMN case_events.detail IS 'opened: owner, asked_first, due_on; moved: owner, and what the move set: offered, due_on, ground; corrected: field, before, after; linked, unlinked: lead, or who joined or left; part_added: part, post, what; part_done: part.';
COMMENT ON COLUMN cases.state IS 'Where it stands; changes only along case_steps.';
COMMENT ON COLUMN cases.first_post_id IS 'The post that was asked first; never changes.';
COMMENT ON COLUMN cases.offered_post_id IS 'The post that is to accept it; null unless assigned.';
COMMENT ON COLUMN cases.clock_from IS 'From when the time of the promise counts: received_at, or the last redo.';
COMMENT ON COLUMN cases.returns IS 'Times it was given back; at the second it goes to the arbiter.';
COMMENT ON COLUMN cases.extensions IS 'Times its promise was extended.';
COMMENT ON COLUMN cases.supervised IS 'Whether leadership watches it.';

COMMENT ON COLUMN cases.offered_at IS 'When it was offered; null unless assigned.';
COMMENT ON COLUMN campaigns.notice IS 'Notices by telephone, which are no survey: their kind and day; null for a survey.';
COMMENT ON COLUMN users.person_id IS 'Who of the directory they are, so that they see the cases of their posts; null: nobody in it.';

COMMENT ON TABLE tasks IS 'What somebody is to do about a call or a case; never deleted.';
COMMENT ON COLUMN tasks.id IS 'Key.';
COMMENT ON COLUMN tasks.kind IS 'Ring back: missed (a call that left no case), message (left a message or hung up midway), dissatisfied, person (asked for one in a survey); tell the caller: extended, answered (the case that theirs has joined has an answer); tell staff: unaccepted, amber, red, red_leader, listed.';
COMMENT ON COLUMN tasks.about IS 'What it is about; the same is not asked for twice.';
COMMENT ON COLUMN tasks.case_number IS 'The case; null: none.';
COMMENT ON COLUMN tasks.call_id IS 'The call; null: none.';
COMMENT ON COLUMN tasks.callback_id IS 'dissatisfied, person: the wish it stands for; null otherwise.';
COMMENT ON COLUMN tasks.number IS 'Number to ring, whole; null: none known. Shown masked.';
COMMENT ON COLUMN tasks.person_id IS 'Who is to be told; null: a resident.';
COMMENT ON COLUMN tasks.promised IS 'The last day of the promise it is about; null where it is about none.';
COMMENT ON COLUMN tasks.created_at IS 'When it came to be.';
COMMENT ON COLUMN tasks.due_at IS 'Until when it is to be done.';
COMMENT ON COLUMN tasks.sample_id IS 'The call that the dialler makes for it; null: none.';
COMMENT ON COLUMN tasks.claimed_at IS 'When somebody took it; null: nobody has.';
COMMENT ON COLUMN tasks.claimed_by IS 'User name; null: nobody.';
COMMENT ON COLUMN tasks.done_at IS 'When it was done; null: not yet.';
COMMENT ON COLUMN tasks.done_by IS 'User name, or gateway; null: not yet.';
COMMENT ON COLUMN tasks.outcome IS 'done, unreachable, acknowledged (by key), moot (nothing is left to do); null: not yet.';

COMMENT ON COLUMN cases.lead_number IS 'The case that it has joined, because both tell of the same matter; null: none. It keeps its own life and its own answer.';
COMMENT ON TABLE case_parts IS 'What another post does for a case beside its owner: the case is closed once all are done.';
COMMENT ON COLUMN case_parts.id IS 'Key.';
COMMENT ON COLUMN case_parts.case_number IS 'The case.';
COMMENT ON COLUMN case_parts.post_id IS 'The post that does it.';
COMMENT ON COLUMN case_parts.what IS 'What it is to do.';
COMMENT ON COLUMN case_parts.created_at IS 'When it was asked.';
COMMENT ON COLUMN case_parts.created_by IS 'User name.';
COMMENT ON COLUMN case_parts.done_at IS 'When it was done; null: not yet.';
COMMENT ON COLUMN case_parts.done_by IS 'User name; null: not yet.';
COMMENT ON COLUMN case_parts.result IS 'What came of it; null: not yet.';

COMMENT ON TABLE case_log IS 'The chain over every event of every case, in the order of commits: append-only (B18, R12.4).';
COMMENT ON COLUMN case_log.link IS 'From 1, gapless.';
COMMENT ON COLUMN case_log.case_number IS 'The case.';
COMMENT ON COLUMN case_log.seq IS 'Its event.';
COMMENT ON COLUMN case_log.prev IS 'Hash of the link before; 64 zeros for the first.';
COMMENT ON COLUMN case_log.hash IS 'SHA-256, hexadecimal, over prev, link and every column of the event, each with its length before it.';
