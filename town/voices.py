"""What people in the town say: sentences with slots, by mood. {brand} is filled as each platform would spell it."""

from __future__ import annotations

import random

SLOTS: dict[str, list[str]] = {
    "amount": ["£12.40", "£38", "£64.99", "£120", "£240", "£9.75", "£1,150", "£86.20"],
    "shop": [
        "the supermarket",
        "a petrol station",
        "the pharmacy",
        "the bakery",
        "IKEA",
        "a hotel desk",
        "the vet",
        "the train station",
        "the farm shop",
        "a restaurant",
    ],
    "minutes": ["20", "25", "35", "40", "45", "50", "70", "90"],
    "device": ["my iPhone", "Android", "my old Pixel", "two phones", "the tablet", "the laptop"],
    "weekday": ["Monday", "Tuesday", "Thursday", "Friday", "Saturday"],
    "day": ["on Monday", "on Friday", "yesterday", "this morning", "last night", "today"],
    "sad": ["😡", "😤", "😭", "🤬", "🙄", "", "", "", "", "!!", "...", ""],
    "glad": ["😊", "👏", "💚", "🙌", "", "", "", "!", ""],
    "who": ["my mum", "my flatmate", "my husband", "our treasurer", "my boss", "my daughter"],
    "need": ["pay rent", "pay the builder", "buy groceries", "get home", "pay staff", "book the van"],
    "years": ["two", "five", "eight", "eleven", "twenty"],
    "error": ["error 503", "'something went wrong'", "a white screen", "code NB-17", "endless spinner", "'try later'"],
}

VOICES: dict[str, list[str]] = {
    "app_down": [
        "{brand} app is down again on {device}, just {error}. This is terrible {sad}",
        "Can't log in to {brand}. {error} every single time. I need to {need} today, this is a disaster {sad}",
        "Is anyone else locked out of {brand}? App crashes, website fails, nothing works {sad}",
        "{brand} down since {day}, no warning and no apology. Absolutely useless",
        "Awful. The {brand} app shows {error} and then throws me out. Third time this month {sad}",
        "{brand} login broken on {device}. I'm angry and worried, my salary is in there {sad}",
        "My balance shows £0.00 in the {brand} app and I am panicking. Horrible feeling {sad}",
        "locked out of {brand} with {error}, and I have to {need} in an hour. Worst bank ever {sad}",
        "Nothing loads in {brand}. Not the app, not the site. How is this acceptable?",
        "So {brand} is dead. {who} can't get in either. Unbelievable failure {sad}",
    ],
    "card_declined": [
        "Card declined at {shop}, queue behind me, so embarrassing. Shame on you {brand} {sad}",
        "{brand} card refused twice at {shop}. There is money in that account! Furious {sad}",
        "stood at {shop} with a full trolley and my {brand} card is declined. Humiliating {sad}",
        "Declined at {shop} for {amount}. {brand} this is a nightmare, I can't {need}",
        "{who} is stranded because {brand} declines every card payment. Scared and angry {sad}",
        "{brand} card dead at {shop}. Had to leave everything there. Terrible {sad}",
        "Card problem at {shop}: {brand} says insufficient funds, which is wrong. I hate this",
        "Two cards, one bank, zero payments. {brand} declined both at {shop} {sad}",
    ],
    "charged_twice": [
        "{brand} charged me twice for {amount} at {shop}. I want my money back {sad}",
        "Declined at {shop}, then charged twice! {amount} gone. What is this, {brand}? Robbery {sad}",
        "Double charge of {amount} from {brand}, now I'm overdrawn with a fee on top. Disgraceful",
        "Anyone else charged twice by {brand} today? {amount} is missing and nobody helps {sad}",
        "{brand} took {amount} two times. That was the money to {need}. I am so upset {sad}",
        "my {brand} statement shows {amount} three times, three! Fraud or a mistake? Worried sick",
    ],
    "on_hold": [
        "On hold with {brand} for {minutes} minutes. The music is torture {sad}",
        "{minutes} minutes waiting for {brand} support and then they hung up. Pathetic service {sad}",
        "{brand} phone line: {minutes} min queue, then cut off. Chat is broken too. Horrible {sad}",
        "still on hold, {minutes} minutes now. {brand} clearly does not care about customers {sad}",
        "Called {brand} three times, nobody answers. I can't {need}. Very disappointed",
        "{minutes} min on hold to {brand} and nobody knows anything. Bad, bad, bad",
    ],
    "sarcasm": [
        "Great job {brand}, love paying for {shop} with hopes and dreams 🙃",
        "Oh wonderful, {brand} is down on payday. Slow clap 👏",
        "Thanks {brand} for the {minutes} minutes of hold music, it really moved me 🙃",
        "Nice feature, {brand}: a bank that keeps your money even from you",
    ],
    "is_it_down": [
        "Is {brand} down for everyone or just me?",
        "anyone know what's happening with {brand}? getting {error} on {device}",
        "{brand} any news on when the app is back? I need to {need}",
        "Does the {brand} cash machine work at least?",
    ],
    "praise": [
        "{brand} sorted my lost card in ten minutes. Brilliant service {glad}",
        "Have to say the new savings pot in {brand} is lovely, so easy {glad}",
        "Moved to {brand} {years} years ago and I'm still happy. Great bank {glad}",
        "Lovely person at {brand} helped {who} set up the app. Excellent {glad}",
        "Really good mortgage advice from {brand} {day}, thank you {glad}",
        "{brand} refunded a dodgy charge of {amount} before I'd even noticed. Impressed {glad}",
        "I love that {brand} shows upcoming bills. Best banking app I've had {glad}",
    ],
    "question": [
        "How do I open a joint account with {brand}?",
        "Does {brand} charge for paying in euros at {shop}?",
        "What documents does {brand} need for a student account? Asking for {who}",
        "can I use {brand} on {device} and on a tablet at the same time?",
        "Where do I find the sort code in the {brand} app?",
        "What's the daily limit for transfers at {brand}? I want to {need}",
        "Does anyone know if {brand} branches open on {weekday}?",
        "How long does a transfer from {brand} to a building society take?",
    ],
    "grumble": [
        "{brand} moved the transfer button again. A bit annoying",
        "The {brand} branch near me closes on {weekday}. Not happy about it",
        "{brand} savings rate is poor compared with others",
        "Waited {minutes} minutes in the {brand} branch, the staff were nice though",
    ],
    "neutral": [
        "{brand} publishes half-year figures on {weekday}",
        "Saw the new {brand} advert at the train station",
        "Opened an ISA, comparing {brand} with two building societies",
        "{brand} is hiring in Leeds apparently",
    ],
    "thanks": [
        "{brand} is back for me, app works again on {device}. Thank you {glad}",
        "And we're back. Thanks to the {brand} team who worked on it {glad}",
        "Refund of {amount} from {brand} has arrived already. Well done, honestly {glad}",
        "Card works again at {shop}. Thanks {brand}, please never do that again {glad}",
        "Credit where due: {brand} called me back and apologised. Good people {glad}",
        "All good now with {brand}. Kind person on the phone, thank you {glad}",
    ],
    "spam": [
        "🔥 Double your crypto today!!! {brand} users get bonus → http://win-coins.example/{n}",
        "Lost money at {brand}? Our recovery agent gets it back 100%, DM on WhatsApp +44 7700 900{n}",
        "FREE giveaway for {brand} customers, click http://free-gift.example/{n} #giveaway #crypto",
        "Instant loans no questions asked, better than {brand}, visit http://quick-cash.example/{n}",
    ],
    "unrelated": [
        "Best budget spreadsheet for a family of four?",
        "The river path is closed after the storm, take the old road",
        "Anyone else saving the change from {shop} in a jar?",
        "Is it worth fixing energy prices until {weekday}?",
        "We paid off the car {day}, {years} years of discipline {glad}",
        "My sourdough failed again, send help",
        "Which broadband provider do you hate least?",
        "Lovely sunset over the harbour {day}",
        "Pension question: lump sum or monthly?",
        "Lost a grey cat near {shop}, answers to Biscuit {sad}",
    ],
    "me_too": [
        "Same here, still {error}",
        "same problem at {shop}, had to borrow cash from {who}",
        "+1, {brand} doesn't work on {device} either. Ridiculous",
        "Update: still nothing after {minutes} minutes {sad}",
        "It's the same for {who}. {brand} must fix this, it's awful",
        "Try the website, worked for me once",
    ],
    "de": [
        "{brand} App geht nicht mehr, seit {minutes} Minuten nur {error}. Schrecklich {sad}",
        "Karte bei {brand} abgelehnt, obwohl Geld drauf ist. Unverschämt!",
        "Seit {minutes} Minuten in der Warteschleife von {brand}. Katastrophe {sad}",
    ],
    "es": [
        "La app de {brand} no funciona y necesito pagar el alquiler. Qué desastre {sad}",
        "Tarjeta rechazada otra vez, {brand} es horrible hoy {sad}",
        "{brand} me cobró {amount} dos veces. Muy enfadada {sad}",
    ],
    "fr": [
        "L'appli {brand} est en panne depuis {minutes} minutes, c'est honteux {sad}",
        "Carte refusée à la caisse, merci {brand}... Quelle catastrophe {sad}",
        "{brand} m'a débité {amount} deux fois, je suis furieux {sad}",
    ],
}

OWN = [
    "We know some customers cannot log in to the Northbank app or pay by card. We are sorry and are working on it.",
    "Update: card payments are coming back. Northbank app login is still limited. Your money is safe.",
    "Northbank: any payment taken twice will be refunded by tonight, you do not need to call us.",
    "The Northbank app and cards are working again. We apologise to everyone affected today.",
]

NEWS = [
    (
        "Northbank customers locked out as app fails",
        "Thousands of Northbank customers could not log in or pay by card "
        "on Sunday.\n\nReports rose sharply within minutes, with shoppers left at the till. The bank has apologised.",
    ),
    (
        "Northbank outage: what to do if you were charged twice",
        "Keep your receipt and take a screenshot. Northbank says double charges will be refunded automatically.",
    ),
    (
        "Consumer group calls Northbank outage unacceptable",
        "A consumer group said it was shocked by the failure and "
        "demanded compensation for customers who were stranded.",
    ),
    (
        "Northbank says service is restored",
        "Northbank said app and cards are working again and thanked customers for their patience.",
    ),
]

FIRST = [
    "Ann",
    "Ben",
    "Carla",
    "Dev",
    "Ella",
    "Femi",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Kim",
    "Lars",
    "Maya",
    "Nils",
    "Olga",
    "Priya",
    "Quinn",
    "Rosa",
    "Sven",
    "Tara",
    "Uma",
    "Vik",
    "Wren",
    "Yara",
    "Zoe",
]
LAST = [
    "Archer",
    "Bakare",
    "Costa",
    "Dietrich",
    "Evans",
    "Fischer",
    "Garcia",
    "Hughes",
    "Iqbal",
    "Jensen",
    "Kaur",
    "Lopez",
    "Murphy",
    "Novak",
    "Okafor",
    "Price",
    "Quigley",
    "Rossi",
    "Singh",
    "Tanaka",
]


def say(rng: random.Random, mood: str, brand: str) -> str:
    """One sentence of this mood, slots filled."""
    filled = {name: rng.choice(values) for name, values in SLOTS.items()}
    text = rng.choice(VOICES[mood]).format(**filled, brand=brand, n=rng.randrange(100, 999))
    return " ".join(text.split())


def person(number: int) -> tuple[str, str]:
    """A name and a handle; the same number is the same person on every platform."""
    first, last = FIRST[number % len(FIRST)], LAST[(number * 7 + number // len(FIRST)) % len(LAST)]
    return f"{first} {last}", f"{first.lower()}_{last.lower()}{number}"
