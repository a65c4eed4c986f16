"""Signs that somebody has to act, as data: groups of everyday words, and what each group adds to need and urgency.

The groups are what any customer says to any company (something is still missing, does not work, goes wrong; how long; please), not
the vocabulary of one industry. Weights are log-odds written by hand and rounded: changing each of them at random by half
hardly moves the figures (docs/measurements.md). English first, the commonest words in German, Spanish, French, Portuguese and Italian.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cue:
    """A group of words. `need` and `urgency` are log-odds one hit adds; `intent` is what it speaks for, by `weight`."""

    name: str
    need: float
    urgency: float = 0.0
    intent: str = ""
    weight: float = 0.0
    words: tuple[str, ...] = ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for line in text.strip().splitlines() for part in line.split(",") if part.strip())


CUES = (
    Cue("something is still missing", 2.0, 1.0, "complaint", 1.2, _words("""
        still not, still no, still haven't, still hasn't, still waiting, still can't, still isn't, still doesn't, still nothing
        yet again, not yet, have yet to, has yet to, haven't received, hasn't arrived, never received, never arrived, never got
        not received, didn't arrive, no response, no reply, no answer, no update, no one, nobody, no longer, waited, waiting, wait, how long
        immer noch, noch nicht, noch immer, keine antwort, keine rückmeldung, warte, warten, niemand, nicht angekommen
        todavía no, aún no, sigo sin, sin respuesta, esperando, nadie, no ha llegado, no me llega
        toujours pas, pas encore, aucune réponse, sans réponse, j'attends, attendre, personne ne, jamais reçu, pas reçu
        ainda não, até agora, sem resposta, ninguém, não chegou, não recebi, ancora non, non ancora, nessuna risposta, aspetto, nessuno
    """)),
    Cue("it went wrong", 1.2, 0.4, "complaint", 0.8, _words("""
        issue, issues, problem, problems, trouble, wrong, missing, lost, delayed, delay, delays, late, cancelled, canceled, damaged, faulty
        defective, charged, overcharged, refund, refunded, fee, fees, complaint, complain, poor, worst, terrible, awful, horrible
        disappointed, disappointing, unacceptable, ridiculous, joke, useless, rude, appalling, disgusting, disgraceful, shocking, pathetic
        frustrating, frustrated, annoying, annoyed, angry, unhappy, fed up, sick of, waste, never again, not happy, not impressed
        not good enough, sort it, rip off
        fehler, falsch, verspätet, verspätung, beschädigt, erstattung, beschwerde, schlecht, schlechter, unverschämt, enttäuscht, kaputt
        problema, problemas, mal, perdido, retraso, retrasado, cancelado, reembolso, queja, pésimo, horrible, vergüenza, decepcionado
        problème, problèmes, perdu, retard, annulé, abîmé, remboursement, réclamation, honteux, déçu, déçue, inadmissible
        atraso, atrasado, reclamação, péssimo, ruim, vergonha, ritardo, rimborso, reclamo, pessimo, vergogna, deluso
    """)),
    Cue("it does not work", 1.0, 0.4, "service", 1.0, _words("""
        not working, doesn't work, isn't working, won't work, can't, cannot, won't, doesn't, isn't, didn't, unable, not able, not letting
        won't let, stopped, fails, failed, failing, fail, error, errors, crash, crashes, crashing, crashed, broken, broke, bug, glitch
        stuck, freezes, frozen, down, blocked, declined, not loading, slow
        funktioniert nicht, geht nicht, klappt nicht, lässt sich nicht, kann nicht, störung, abgestürzt, gesperrt, abgelehnt
        no funciona, no puedo, no me deja, no carga, caído, caída, bloqueado, bloqueada, rechazada, error, errores
        ne marche pas, ne fonctionne pas, impossible de, en panne, bloqué, bloquée, refusée, erreur, plante
        não funciona, não consigo, não abre, travando, caiu, erro, non funziona, non riesco, bloccato, errore
    """)),
    Cue("time goes by", 0.7, 0.8, "complaint", 0.3, _words("""
        hour, hours, hrs, day, days, week, weeks, month, months, minutes, mins, since, ago, yesterday, last week, last night, this morning
        all day, all week, seit, stunden, tagen, wochen, monaten, gestern, horas, días, semanas, meses, desde, ayer
        heures, jours, semaines, mois, depuis, hier, dias, ontem, ore, giorni, settimane, mesi, ieri
    """)),
    Cue("asks why", 1.0, 0.0, "complaint", 0.3, _words("""
        why, how come, how is it, how can you, explain, seriously, really, wtf, what's going on, what is going on, what's up with, whats
        warum, wieso, weshalb, por qué, porque no, pourquoi, por que, perché
    """)),
    Cue("customer's business", 0.7, 0.0, "", 0.0, _words("""
        order, orders, ordered, delivery, delivered, deliver, parcel, package, shipping, shipped, account, app, website, site, service
        customer service, customer care, support, flight, train, bus, plane, seat, booking, booked, ticket, tickets, bag, luggage, card
        payment, paid, pay, bill, billing, price, money, bought, purchase, purchased, store, shop, product, item, items, size, email
        emails, mail, phone, call, called, number, password, login, log in, sign in, update, version, download, install, screen, laptop
        battery, internet, wifi, connection, signal, network, subscription, contract, stock, return, exchange, voucher, code, agent, staff
        driver, station, gate, server, servers, printer, device, charger, warranty, repair, replacement, food, room, hotel, reservation
        claim, policy, insurance, appointment
        bestellung, lieferung, paket, konto, rechnung, kundenservice, hotline, flug, zug, karte, zahlung, geld, vertrag, überweisung
        pedido, envío, paquete, cuenta, factura, atención al cliente, vuelo, tren, tarjeta, pago, dinero, contrato
        commande, livraison, colis, compte, facture, service client, vol, carte, paiement, argent, contrat
        entrega, conta, fatura, atendimento, cartão, dinheiro, ordine, consegna, pacco, conto, assistenza, carta, pagamento, soldi
    """)),
    Cue("asks for something to be done", 0.5, 0.2, "service", 0.4, _words("""
        please, pls, plz, help, fix, need, can you, could you, can someone, can anyone, any update, any idea, when will, when is, where is
        where's, let me know, dm, respond, reply, answer, contact, advise
        bitte, hilfe, helfen, könnt ihr, können sie, wann, wo ist, por favor, ayuda, pueden, cuándo, dónde está
        s'il vous plaît, svp, aide, aidez, pouvez-vous, quand, où est, ajuda, podem, quando, per favore, aiuto, potete
    """)),
    Cue("not the first time", 0.4, 0.7, "complaint", 0.3, _words("""
        again, another, always, every time, constantly, keep, keeps, twice, third time, second time, multiple times, several times
        schon wieder, jedes mal, ständig, zum zweiten mal, otra vez, siempre, cada vez, encore une fois, à chaque fois, de novo, ancora una volta
    """)),
    Cue("says no", 0.5, 0.0, "", 0.0, _words("""
        not, no, never, nothing, don't, isn't, wasn't, without, haven't, hasn't, aren't, nor, none, didn't, can't, won't, doesn't, couldn't
        nicht, kein, keine, keinen, nie, nichts, nunca, nada, jamais, rien, não, nem, non, mai, niente
    """)),
    Cue("speaks to somebody", 0.3, 0.0, "", 0.0, _words("""
        you, your, you're, you guys, u, ur, yours, ihr, euch, eure, sie, ihnen, ustedes, vosotros, vous, votre, vos, vocês, voi, vostro
    """)),
    Cue("must be quick", 0.6, 2.0, "service", 0.3, _words("""
        urgent, urgently, asap, emergency, immediately, right now, desperate, stranded, as soon as possible, deadline
        dringend, notfall, sofort, urgente, emergencia, inmediatamente, de inmediato, en urgence, immédiatement, emergência, urgência, subito
    """)),
    Cue("asks how or whether", -0.6, 0.0, "question", 0.5, _words("""
        how do i, how can i, how do you, how to, do you have, do you, is it possible, is there a, can i, could i, does, will you
        will there be, what time, what is, what's the, which, where can i, are you, is there
        wie kann ich, wo kann ich, gibt es, habt ihr, cómo puedo, dónde puedo, tienen, comment puis-je, est-ce que, avez-vous
        como posso, vocês têm, come posso, avete
    """)),
    Cue("is content", -0.5, -0.3, "praise", 0.6, _words("""
        thanks, thank you, thx, ty, thank, cheers, appreciate, love, loving, great, awesome, amazing, excellent, happy, best, perfect, good
        nice, cool, congrats, welcome, lol, haha, excited, fun, beautiful
        danke, toll, super, prima, klasse, gracias, genial, excelente, encanta, merci, génial, parfait, bravo
        obrigado, obrigada, ótimo, adoro, grazie, ottimo, perfetto, bellissimo
    """)),
    Cue("is over", -0.6, -0.6, "praise", 0.2, _words("""
        works now, working now, fixed, sorted, resolved, all good, got it, worked, no worries, solved
        geht wieder, erledigt, gelöst, solucionado, resuelto, résolu, réglé, resolvido, risolto
    """)),
    Cue("speaks for a company", -0.8, -0.5, "", 0.0, _words("""
        sorry to hear, sorry for the, we're sorry, we are sorry, our team, let us know, dm us, we'd, we'll, we can, we're here, please dm
        we have, apologies, could you dm, can you dm, please send us, happy to help, here to help, glad to
        tut uns leid, unser team, lamentamos, nuestro equipo, nous sommes désolés, notre équipe, lamentamos, ci dispiace
    """)),
)  # fmt: skip

INTENT_NEED = {"risk": 2.5, "cancel": 2.0, "complaint": 1.2, "service": 1.2, "spam": -2.5, "praise": -0.4}
INTENT_URGENCY = {"risk": 3.0, "cancel": 1.0}
MANY = 3  # hits of one group that count
BASE_NEED, BASE_URGENCY = -2.6, -2.4
MOOD_NEED = (1.8, -1.6)  # what a mood that is surely negative, or surely positive, adds
MOOD_URGENCY = (1.2, -0.6)
ADDRESSED, TO_SUPPORT = 1.2, 0.6  # somebody is addressed by a handle; the handle is a help desk's
DOUBLE_QUESTION, BRIEF, HAS_LINK, SHOUTED = 0.8, -0.3, -0.8, 0.2
SHORT, TO_THE_POINT = 7, 1.2  # words; a short text with a listed phrase has no room for more signs
PLAIN = frozenset(("cancel", "complaint", "service"))
