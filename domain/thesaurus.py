"""Words customers use for the same thing, as data: what lets a dozen examples stand for many. General customer care, no one industry."""

GROUPS = tuple(
    tuple(part.strip() for part in line.split(","))
    for line in """
cancel, cancellation, cancelling, revoke, undo, revert, reverse, stop, terminate, call off
close, closing, delete, deleting, remove, deactivate, shut, get rid, end
refund, refunded, reimburse, money back, give back, return, repay, chargeback
decline, declined, reject, rejected, refuse, refused, denied, not accepted, turned down, didn't go through, did not go through
pending, processing, waiting, in progress, hasn't gone through, not gone through, still not, not yet, not showing, not show, doesn't show, hasn't shown
arrive, arrived, arriving, come, coming, delivery, delivered, deliver, ship, shipped, shipping, mail, mailed, sent, post, receive, received, get here
track, tracking, locate, where, find, whereabouts, status
lost, lose, losing, missing, misplaced, can't find, cannot find, disappeared, gone, left
stolen, stole, theft, robbed, mugged, thief
hacked, compromised, fraud, fraudulent, scam, suspicious, unauthorized, unauthorised, not recognize, don't recognize, didn't make, not mine, someone else, somebody else, never made
broken, not working, doesn't work, isn't working, won't work, fail, failed, failing, not work, malfunction, stopped working, didn't work, trouble
help, assist, assistance, support
fee, fees, charge, charged, charges, cost, costs, price, surcharge, commission, extra, how much
wrong, incorrect, mistake, error, mistaken, inaccurate, not right, not correct, off
twice, double, duplicate, two times, multiple times, second time, repeated
change, edit, update, modify, amend, alter, switch, new
pin, passcode, pincode
password, login, log in, sign in, passphrase
forgot, forgotten, forget, can't remember, don't remember, remember
blocked, locked, frozen, freeze, block, suspended, disabled, lock
verify, verification, verifying, identity, identify, id, prove, proof, confirm, documents, document
top up, topup, top-up, topping, topped, add money, load, put money, fund, recharge, credit
transfer, transferred, transferring, transfers, send money, wire, sending money, move money, sent money
withdraw, withdrawal, withdrawn, withdrew, take out, cash out, cash, atm, cashpoint, machine
deposit, cheque, check, paid in, pay in
exchange, convert, currency, currencies, foreign, rate, rates, conversion
abroad, travel, travelling, traveling, overseas, international, country, countries, europe, european, eu, holiday, vacation
card, cards, visa, mastercard, credit card, debit card
virtual, disposable, one-time, single use, temporary
phone, mobile, cell, device, smartphone, handset, iphone, android
payment, pay, paid, paying, purchase, buy, bought, transaction
salary, paycheck, income, wages, employer
limit, limits, maximum, max, restriction, restrictions, how many, allowed
age, old, children, kids, child, son, daughter, teenager, young, minor
long, time, quickly, fast, soon, when, days, hours, estimate, take
urgent, urgently, asap, hurry, quick, express, expedite, rush
expire, expired, expires, expiration, expiring, renew, replace, replacement, run out
activate, activation, enable, start using, turn on
link, connect, linking, reconnect, relink, add, adding, join, pair
order, ordered, request, apply, obtain, acquire, get a, sign up, want
balance, amount, funds, account
name, surname, married, marriage, maiden
address, moved, moving, relocated, house
contactless, tap, nfc, touch
apple, google, wallet
swallowed, ate, kept, keep, stuck, retained, took
source, origin, came from, come from, where does
crypto, bitcoin, cryptocurrency
late, delayed, delay, overdue, behind schedule
damaged, damage, defective, faulty, cracked, torn, scratched, ripped
bill, invoice, statement, receipt, billing
upgrade, premium, plan, tier, subscription, subscribe, membership
internet, wifi, broadband, connection, signal, network, offline
slow, lag, lagging, speed, buffering
crash, crashes, crashing, freezes, bug, glitch
luggage, bag, bags, baggage, suitcase
seat, booking, reservation, flight, ticket, trip
size, fit, small, large, big
stock, available, availability, sold out, back in
discount, voucher, coupon, promo, code, offer, deal
rude, impolite, unfriendly, attitude, behaviour, behavior
privacy, data, personal information, gdpr, details
job, jobs, hiring, career, vacancy
""".strip().splitlines()
)
