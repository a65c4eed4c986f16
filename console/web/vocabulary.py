"""Words that are stored, or named by domain and storage, and shown on pages: a page says them by the filter `word`, in its reader's language.

What a configuration names itself (a team, a topic, an intent of its own) is in no catalogue and is shown as it was written.
tests/test_web_texts.py holds these lists against where the words come from.
"""

from console.web.texts import N_

STATUSES = (N_("new"), N_("open"), N_("pending"), N_("hold"), N_("resolved"), N_("closed"), N_("muted"))
PRIORITIES = (N_("urgent"), N_("high"), N_("normal"), N_("low"))
SENTIMENTS = (N_("negative"), N_("neutral"), N_("positive"), N_("unscored"), N_("repost"))
INTENTS = (
    N_("risk"), N_("cancel"), N_("complaint"), N_("service"), N_("question"), N_("purchase"), N_("feedback"), N_("praise"),
    N_("spam"), N_("other"),
)  # fmt: skip
OUTCOMES = (N_("ticket"), N_("review"), N_("ignore"))
ROLES = (N_("viewer"), N_("agent"), N_("lead"), N_("admin"), N_("auditor"))
VIEWS = (
    N_("Open"), N_("Mine"), N_("My teams"), N_("Unassigned"), N_("Breaching"), N_("Late"), N_("VIP"), N_("Snoozed"), N_("Muted"),
    N_("Done"), N_("All"),
)  # fmt: skip
SORTS = (N_("Due first"), N_("Newest"), N_("Oldest"), N_("Last change"), N_("Priority"))
MARKS = (N_("Customer waits"), N_("Unread"), N_("Not merged into another"))
CLOCKS = (N_("answer"), N_("resolve"), N_("due"))
OWED = (
    N_("Waiting"), N_("goes out as soon as a worker takes it"), N_("Scheduled"), N_("waits for its time"), N_("Held"),
    N_("waits for an earlier effect of the same ticket or flag"), N_("Sending"), N_("a worker is at it"), N_("Failed"),
    N_("was refused for now and is tried again"), N_("Unknown"),
    N_("may have arrived; it is looked up before anything is sent again"), N_("Blocked"),
    N_("a person must act at the target first"), N_("Dead"), N_("was given up; retry or drop it as a dead letter"), N_("Done"),
    N_("arrived"),
    N_("Stopped"),
    N_("all posting is stopped; it leaves when posting goes on"),
)  # fmt: skip
DELIVERIES = (
    N_("new"),
    N_("retry"),
    N_("sending"),
    N_("unknown"),
    N_("blocked"),
    N_("done"),
    N_("dead"),
    N_("withdrawn"),
)
ATTEMPTS = (N_("done"), N_("retry"), N_("unknown"), N_("dead"), N_("blocked"), N_("wait"), N_("found"), N_("refused"))
LETTERS = (
    N_("open"), N_("retried"), N_("dropped"), N_("stored"), N_("any"), N_("digest"), N_("event"), N_("outbox"), N_("reject"),
    N_("three starts without an end"), N_("erased"),
)  # fmt: skip
FLAGS = (
    N_("drift"),
    N_("spike"),
    N_("share"),
    N_("silence"),
    N_("mention"),
    N_("useful"),
    N_("noise"),
    N_("late"),
    N_("still so"),
)
PROMISES = (N_("open"), N_("kept"), N_("broken"), N_("withdrawn"))
TOKENS = (N_("good"), N_("expired"), N_("revoked"))
SURVEYS = (
    N_("How satisfied are you with how we dealt with this?"), N_("not at all satisfied"), N_("very satisfied"),
    N_("How likely are you to recommend us to a friend or colleague?"), N_("not at all likely"), N_("extremely likely"),
    N_("How easy did we make it for you to get this settled?"), N_("very hard"), N_("very easy"),
)  # fmt: skip
COUNTERS = (
    N_("new"), N_("edited"), N_("deleted"), N_("known"), N_("not matching"), N_("suppressed"), N_("rejected"),
)  # fmt: skip
FIELDS = (
    N_("topic"),
    N_("platform"),
    N_("intent"),
    N_("team"),
    N_("status"),
    N_("priority"),
    N_("assignee"),
    N_("tags"),
)
LINKS = (
    N_("related"), N_("says the same"), N_("waits for this"), N_("must be settled before"), N_("child"), N_("merged into this"),
)  # fmt: skip
HEALTH = (N_("hot"), N_("silent"), N_("calm"), N_("better"), N_("worse"), N_("steady"), N_("unknown"))
QUEUES = (N_("Polls"), N_("Verdicts"), N_("Ticket work"), N_("Deliveries"), N_("Pushed to us"), N_("Errands"))
METRICS = (  # storage/metrics.py, those dashboards show
    N_("First touch to resolution"),
    N_("from a journey's first contact on any channel to when all its tickets were done"),
    N_("First-contact resolution across channels"),
    N_("journeys with one contact on any channel, of the journeys that were resolved"),
    N_("Repeat contact within 7 days"),
    N_("done tickets whose customer made contact on any channel within 7 days after"),
    N_("Channel switches per journey"),
    N_("contacts on another channel than the one before, per journey of several contacts"),
    N_("Journey completion"),
    N_("journeys all tickets of which are done, of the journeys with a ticket"),
    N_("CSAT"),
    N_("answers of 4 or 5 on 1 to 5"),
    N_("NPS"),
    N_("share of 9 and 10 less share of 0 to 6, on 0 to 10"),
    N_("Effort"),
    N_("mean answer on 1 (hard) to 7 (easy)"),
)
EVIDENCE = (  # workers/evidence.py
    N_("window"), N_("from"), N_("to"), N_("count"), N_("baseline"), N_("threshold"), N_("score"), N_("minutes"), N_("floor"),
    N_("authors"), N_("reach"), N_("copies"), N_("reposts"), N_("copies looked for in"), N_("platforms"), N_("first mention"),
    N_("terms"), N_("new languages"), N_("links"), N_("detector"), N_("rule version"), N_("baseline adapts"), N_("since"), N_("until"), N_("reason"),
    N_("usual minutes"),
)  # fmt: skip
PAGED = (N_("open"), N_("update"), N_("close"), N_("ack"), N_("escalate"), N_("sent"), N_("held"))
CONTACTS = (
    N_("call"),
    N_("chat"),
    N_("email"),
    N_("purchase"),
    N_("page visit"),
    N_("form"),
    N_("Call"),
    N_("Chat"),
    N_("Email"),
    N_("Purchase"),
    N_("Page visit"),
    N_("Form"),
)
PROFILE = (N_("name"), N_("tier"), N_("channel"))
VERSIONS = (N_("rules"), N_("judge"), N_("learned"))
