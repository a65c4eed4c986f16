"""What customer care listens for out of the box, as data: intents with their words, and the triage rules used when none are set.

Phrases rather than single words, because "killer" and "sick" praise as often as they blame. English first, the commonest ones
in German, Spanish and French. Operators replace both lists in their configuration.
"""

from domain.rules import Intent, Rule, Then, When


def _lines(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for line in text.strip().splitlines() for part in line.split(",") if part.strip())


_RISK = """
lawyer, lawyers, solicitor, attorney, legal action, lawsuit, class action, sue you, sue them, suing, see you in court, small claims
fraud, fraudulent, scam, scammed, scammer, scammers, identity theft, stolen card, card stolen, phishing, money laundering
unauthorised transaction, unauthorized transaction, unauthorised payment, unauthorized payment, unauthorized charge
data breach, breach of data, data leak, leaked my data, privacy breach, gdpr, hacked, got hacked, account was hacked, security hole
ombudsman, regulator, trading standards, consumer protection, better business bureau, attorney general, watchdog
injured, injury, unsafe, caught fire, safety recall, product recall, hospital, allergic reaction, discrimination, harassment
going to the press, going to the media, suicide, kill myself, danger to life
anwalt, rechtsanwalt, betrug, betrüger, abzocke, datenleck, datenschutzverletzung, klage einreichen, verbraucherzentrale
abogado, fraude, estafa, estafadores, denuncia, demanda judicial, filtración de datos
avocat, arnaque, escroquerie, plainte, fuite de données, action en justice
"""

_CANCEL = """
cancel my account, cancelling my account, canceling my account, cancel my subscription, cancelling my subscription
cancel my contract, cancel my order, cancel my policy, cancel my membership, cancel my card, canceling my subscription
want to cancel, trying to cancel, going to cancel, have cancelled, i cancelled, i canceled, just cancelled, just canceled
close my account, closing my account, closed my account, closing our account, delete my account
switching bank, switching banks, switching provider, switching to another, switch to another, switched to another
moving my money, taking my business elsewhere, take my business elsewhere, going elsewhere, leaving you, i'm leaving, i am leaving
unsubscribing, unsubscribe me, done with you, so done with, never using you again, never using them again, never again
never buying from, never shop, never flying with, never fly with, lost a customer, losing a customer, lost my custom, lose a customer
kündige, kündigen, kündigung, konto schließen, anbieter wechseln, nie wieder
cancelar mi cuenta, darme de baja, cerrar mi cuenta, nunca más
résilier, résiliation, fermer mon compte, plus jamais
"""

_COMPLAINT = """
waiting for my refund, waiting for a refund, still no refund, where is my refund, where's my refund, want my money back
my money back, refund me, refuse to refund, refused to refund, no refund, want a refund, need a refund, money not returned
charged twice, double charged, charged me twice, overcharged, over charged, wrong amount, hidden fee, hidden fees, charging me
billed twice, took money, taken money, money missing, missing money, money is missing, money gone, ripped off, rip off
still waiting, been waiting, waited for, waiting weeks, waiting days, waiting for hours, kept waiting, how much longer
on hold for, on hold since, been on hold, left on hold, hung up on me, cut me off, no reply, no response, not responding
no answer, nobody answers, no one answers, nobody replies, no one has replied, ignored me, ignoring me, ignoring my, keep ignoring
still not, still no, still haven't, still hasn't, still can't, still waiting on, not received, never received, haven't received
hasn't arrived, not arrived, never arrived, didn't arrive, not been delivered, wasn't delivered, missing items, never showed up
wrong item, wrong order, arrived broken, arrived damaged, is broken, was broken, stopped working, fell apart, faulty, defective
worst service, worst customer service, terrible service, awful service, poor service, bad service, shocking service, appalling
terrible customer service, poor customer service, bad customer service, horrible customer service, awful customer service
customer service is, your customer service, not good enough, unacceptable, disgraceful, disgusted, a disgrace, shambles, a joke
what a joke, absolute joke, fed up, sick of, tired of, so disappointed, very disappointed, disappointing, disappointed in
disappointed with, let down, waste of money, waste of time, wasted, ridiculous, useless, incompetent, pathetic, unhelpful, rude
sort it out, sort this out, sort yourselves out, fix your, fix this, get it together, do better, shame on you, not happy
unhappy with, make a complaint, formal complaint, complain, complaint, complaining, is this a joke, are you kidding
false advertising, misleading, lied to me, lies, wtf, delayed again, late again, keeps happening, every single time, yet again
third time, second time, for the third, for weeks, for months, days ago, weeks ago, weeks now, days now, months now, hours now
beschwerde, warte auf meine erstattung, geld zurück, doppelt abgebucht, warte seit, in der warteschleife, keine antwort
unverschämt, immer noch nicht, immer noch kein, enttäuscht
esperando mi reembolso, devolución, devuelvan mi dinero, cobraron dos veces, sin respuesta, llevo esperando, pésimo servicio
vergüenza, todavía no, queja
en attente de remboursement, remboursez, rembourser, débité deux fois, pas de réponse, j'attends depuis, toujours pas
service client nul, honteux, inadmissible
"""

_SERVICE = """
app is down, site is down, website is down, service is down, system is down, is down again, are down, is everything down
is it down, anyone else down, down for anyone, servers down, server down, went down, down since, outage, outages, outtage
not working, isn't working, doesn't work, don't work, won't work, doesnt work, isnt working, aren't working, not loading
won't load, won't open, wont open, wont load, doesn't load, keeps crashing, keep crashing, crashed, crashing, crashes
freezes, freezing, frozen, keeps freezing, error message, error code, getting an error, an error, bug, glitch, glitches, glitchy
can't log in, cannot log in, can't login, cannot login, unable to log in, can't sign in, unable to login, locked out, logged out
login not working, log in not working, can't access, cannot access, unable to access, no access, lost access, password reset
can't get into, reset my password, verification code, can't connect, cannot connect, won't connect, no signal, no internet
no service, no connection, disconnected, keeps disconnecting, slow internet, buffering, offline, maintenance again
card declined, card was declined, card is declined, declined my card, card blocked, card not working, payment failed, payment fails
payment declined, payment pending, transfer failed, transfer pending, transfer hasn't, transaction failed, can't pay, cannot pay
can't transfer, can't send money, can't withdraw, atm swallowed, atm ate, can't download, can't upload, can't update
can't use, cannot use, unable to use, can't order, can't book, can't check in, can't cancel, having issues, having trouble
having problems, an issue with, a problem with, issues with, problems with, technical issue, technical difficulties, troubleshoot
stuck on, need help, please help, pls help, help me, can you help, can someone help, could you help, need assistance, support ticket
flight delayed, flight cancelled, flight canceled, lost my luggage, lost luggage, lost my bag, lost baggage, where is my order
where's my order, where is my package, where is my parcel, where's my parcel, tracking says, tracking number, replacement
dm me, dm you, dm'd you, sent you a dm, check your dm, check my dm, reply to my, respond to my, answer my
störung, ausfall, funktioniert nicht, geht nicht, kann mich nicht anmelden, nicht einloggen, abgestürzt, stürzt ab
karte abgelehnt, karte gesperrt, brauche hilfe
no funciona, no puedo entrar, no puedo acceder, caído, caída, se cuelga, tarjeta rechazada, necesito ayuda, ayuda por favor
ne marche pas, ne fonctionne pas, en panne, panne, impossible de me connecter, impossible de se connecter, bloqué, carte refusée
besoin d'aide
"""

_QUESTION = """
?, how do i, how can i, how to, where do i, where can i, when will, when does, why is, why are, why does, what is the, can i, could i
do you have, do you offer, is it possible, does anyone know, is there a way, any update, any idea, eta, please advise, let me know
wie kann ich, wo finde ich, wann, weiß jemand, ¿, cómo puedo, dónde puedo, comment faire, où puis-je, est-ce que
"""

_PURCHASE = """
want to buy, looking to buy, thinking of buying, where to buy, where can i buy, interested in buying, open an account
opening an account, sign up for, looking to switch to, thinking of switching to, price for, how much is, how much does, pricing
in stock, back in stock, available in, promo code, discount code, pre order, preorder, place an order, want to order, a quote for
möchte kaufen, konto eröffnen, quiero comprar, abrir una cuenta, je veux acheter, ouvrir un compte
"""

_FEEDBACK = """
feature request, would be nice if, would be great if, would love to see, would love it if, please add, you should add, suggestion
i suggest, wish you would, wish it had, wish the app, it would help if, could you add, can you add, consider adding, bring back
wäre schön wenn, wünsche mir, sería bueno, ce serait bien
"""

_PRAISE = """
thank you, thanks, thx, thankyou, love it, love this, love the, love my, love your, loving the, i love, we love, great service
great customer service, excellent service, amazing service, brilliant service, fantastic service, best service, good service
excellent customer service, amazing customer service, best customer service, awesome customer service, great job, good job, well done
nice work, great work, good work, nice one, kudos, shout out, shoutout, props to, hats off, big up, killer feature, killer app
sick update, sick design, sick feature, insanely good, wicked good, ridiculously good, crazy good, stupidly good, badass
highly recommend, would recommend, recommended, impressed, so impressed, well impressed, so happy with, very happy with, so helpful
very helpful, super helpful, works perfectly, works great, works like a charm, best app, best bank, best ever, the best, game changer
life saver, lifesaver, saved my day, made my day, five stars, 5 stars, you rock, legend, legends, happy customer, appreciate
can't fault, cannot fault, congrats, congratulations
danke, vielen dank, toller service, super service, begeistert, gracias, excelente servicio, muy contento, me encanta
merci, super service, excellent service, je recommande, génial
"""

_SPAM = """
click here, click the link, link in bio, follow me back, follow back, follow for follow, f4f, check out my, giveaway, free crypto
crypto giveaway, airdrop, double your money, make money fast, make money online, work from home, earn from home, passive income
dm for promo, whatsapp me, telegram group, t.me/, bit.ly/, investment opportunity, forex signals, trading signals, guaranteed returns
guaranteed profit, 100% profit, hot singles, onlyfans, buy followers, cheap followers, limited offer, act now, promo code in bio
recover your lost, recovery expert, hacker for hire, contact him on instagram, she helped me recover, he helped me recover
"""

DEFAULT_INTENTS = (
    Intent("risk", _lines(_RISK), 4.0),
    Intent("spam", _lines(_SPAM), 4.0),
    Intent("cancel", _lines(_CANCEL), 3.0),
    Intent("complaint", _lines(_COMPLAINT), 2.0),
    Intent("service", _lines(_SERVICE), 2.0),
    Intent("purchase", _lines(_PURCHASE), 1.5),
    Intent("feedback", _lines(_FEEDBACK), 1.5),
    Intent("praise", _lines(_PRAISE), 1.5),
    Intent("question", _lines(_QUESTION), 1.0),
)

DEFAULT_RULES = (
    Rule(
        "risk",
        When(intent=("risk",)),
        Then("ticket", "urgent"),
        "Law, fraud, safety or the press: a person must look at once.",
    ),
    Rule("spam", When(intent=("spam",)), Then("ignore"), "Advertising needs no answer."),
    Rule(
        "bad-rating",
        When(rating_at_most=2.0),
        Then("ticket", "high"),
        "A review of one or two stars deserves an answer.",
    ),
    Rule(
        "leaving",
        When(intent=("cancel",), need_at_least=0.2),
        Then("ticket", "high"),
        "A customer who leaves may still be kept.",
    ),
    Rule(
        "pressing",
        When(need_at_least=0.5, urgency_at_least=0.6),
        Then("ticket", "high"),
        "Somebody has waited long, or cannot wait.",
    ),
    Rule("trouble", When(need_at_least=0.5), Then("ticket", "normal"), "Something went wrong for a customer."),
    Rule(
        "trouble-in-kind-words",
        When(intent=("cancel", "complaint", "service"), sentiment=("positive",)),
        Then("review"),
        "Trouble in kind words is irony, or thanks after all; a person can tell.",
    ),
    Rule("praise", When(intent=("praise",)), Then("ignore"), "Praise is counted, and needs no ticket."),
    Rule(
        "question", When(intent=("question",)), Then("review"), "A question may wait for an answer; a person can tell."
    ),
    Rule("unsure", When(need_at_least=0.3), Then("review"), "Somebody may have to act; a person can tell."),
    Rule("buying", When(intent=("purchase",)), Then("review"), "Somebody may want to buy."),
)
