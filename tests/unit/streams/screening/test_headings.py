"""Terse headings of living animals and plants: which signs of trade are enough, and what takes them away."""

import pytest

from streams.screening.marks import has_price
from streams.screening.tools import listing_from
from streams.screening.verdict import Verdict
from tests.unit.streams.screening.test_offer import ruleset


def verdict_on(title: str, text: str = "") -> Verdict:
    listing = listing_from({"id": "1", "title": title, "text": text})
    return ruleset().screener({}).screen(listing, listing.observed_at)


@pytest.mark.parametrize(
    ("sign", "title", "text"),
    [
        ("ratio of the sexes", "Uromastyx 1.2", "nice ones"),
        ("captive hatched, shortened", "Retic CH24", "nice one"),
        ("age", "Congo grey", "she is 4 years"),
        ("inches", 'Veiled chameleon 7"', "nice one"),
        ("feet", "Green tree python 4ft", "nice one"),
        ("a number of them", "Emperor scorpions x3", "nice ones"),
        ("price", "Hog island boa $350", "nice one"),
        ("equipment that comes along", "Chameleon, goes w/ vivarium, 5 months", "nice one"),
        ("keeping", "Emerald tree boa", "perching well and eating"),
        ("heads of a coral", "Goniopora, six heads", ""),
        ("two corals together", "Torch and frogspawn, $40 each", ""),
        ("growth of an orchid", "Cattleya trianae, five bulbs", ""),
        ("a pot", "Astrophytum asterias 6 cm pot", ""),
        ("roots", "Pachypodium gracilius bare root", ""),
    ],
)
def test_a_name_of_the_trade_needs_one_sign(sign: str, title: str, text: str) -> None:
    verdict = verdict_on(title, text)

    assert verdict.outcome == "review", (sign, verdict.explanation)


@pytest.mark.parametrize(
    "title",
    [
        "Uromastyx",
        "Emerald tree boa",
        "Goniopora",
        "Pachypodium gracilius",
        "Hyacinth, blue, $3",
        "Torch 6 inch",
    ],
)
def test_a_bare_name_or_an_everyday_word_needs_more(title: str) -> None:
    assert verdict_on(title).outcome in ("clear", "monitor")


@pytest.mark.parametrize(
    ("why", "title"),
    [
        ("equipment", "Ball python rack, 5 tubs, $60"),
        ("equipment further on", "Emerald tree boa: for yours a big arboreal enclosure, 36 inch"),
        ("equipment before the name", "Heat lamp for chameleon, 6 inch"),
        ("made for it", "Snuggly hut for emerald tree boa, 9 inch"),
        ("a care guide", "Ball python care guide, 8 in, $6"),
        ("a book", "Cattleya, a monograph, 24 cm"),
        ("plush", "Axolotl plush 10 inch $12"),
        ("a print", "African grey art print 12 x 16 in"),
        ("a memorial", "In memory of our African grey, stone 6 inch"),
        ("another material", "Ball python ring sterling silver $40"),
        ("artificial", "Artificial cycad 3 ft in pot"),
        ("a stamp", "Aloe ferox 1983 mint stamps 10c"),
        ("a stamp that does not say so", "Aloe ferox 1983, used, $2"),
        ("soil", "Cactus soil 5 litre"),
        ("an unlisted relative", "Leopard gecko female 9 months"),
        ("excepted species", "Aloe vera pups in 3 inch pots"),
        ("hardy garden plant", "Euphorbia characias 2 litre pot"),
        ("another word with other marks", "Gỗ chạm male, 20 cm"),
        ("something lost", "Lost: African grey, 4 years, reward"),
    ],
)
def test_what_is_not_the_living_thing_is_left_alone(why: str, title: str) -> None:
    verdict = verdict_on(title)

    assert verdict.outcome in ("clear", "monitor"), (why, verdict.explanation)


@pytest.mark.parametrize(
    "title",
    [
        "Wanted: ball python female, deposit ready",
        "ISO Cattleya trianae, five bulbs, paypal ready",
        "WTB retic 6ft",
    ],
)
def test_who_looks_for_one_offers_none_whatever_words_of_sale_follow(title: str) -> None:
    assert verdict_on(title).outcome == "clear"


def test_who_looks_for_a_home_offers() -> None:
    assert verdict_on("Looking for a new home: African grey, 4 years").outcome == "review"


@pytest.mark.parametrize(
    "title",
    ["Slow loris 6 inch $900", "Hyacinth macaw 2 yrs, no papers", "Pancake tortoise 1.1, no papers needed"],
)
def test_a_bare_heading_never_makes_a_notice(title: str) -> None:
    verdict = verdict_on(title, "She lives with us, is tame by now and still a baby.")

    assert verdict.outcome == "review", verdict.explanation


@pytest.mark.parametrize(
    ("title", "species"),
    [
        ("E. lehmannii, 3 leaves, bare root", "Encephalartos lehmannii"),
        ("Paph rothschildianum NBS, 14 inch", "Paphiopedilum rothschildianum"),
    ],
)
def test_a_shortened_genus_is_understood(title: str, species: str) -> None:
    verdict = verdict_on(title)

    assert verdict.outcome == "review"
    assert verdict.taxon is not None
    assert verdict.taxon.scientific_name == species


def test_a_genus_is_told_narrower_than_the_family_of_the_hand_kept_row() -> None:
    verdict = verdict_on("Calumma 1.1, six months")

    assert verdict.taxon is not None
    assert (verdict.taxon.scientific_name, verdict.taxon.rank) == ("Calumma", "genus")


@pytest.mark.parametrize(
    ("text", "priced"),
    [
        ("fine netsuke £50", True),
        ("beads, 12 each", True),
        ("fined £5,000 at the court", False),
        ("a haul of £2 million", False),
        ("12 of each", False),
    ],
)
def test_what_something_costs(text: str, priced: bool) -> None:
    assert has_price(text) is priced


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Two tusks from my uncle, 9 kg the pair. DM me", "review"),
        ("old carved tusk, £400 posted", "review"),
        ("Tusk tickets, £15 each", "clear"),
        ("Boar tusks, pair, $25 shipped", "clear"),
        ("soldiers sell tusks", "clear"),
        ("ivory rose brooch, 1930s, £45 inc post", "review"),
        ("carved ivory peony brooch, £45 inc post", "review"),
        ("ivory satin rose brooch, £9 inc post", "clear"),
        ("elephant hair bracelets, 4 knot, $15 each", "review"),
        ("horse hair bracelets, $15 each", "clear"),
        ("Inuit? no, elephant ivory bear, 90 bucks", "review"),
        ("not elephant ivory, 90 bucks", "clear"),
        ("Court fines dealer £5,000 for an ivory brooch", "clear"),
        ("Never fall for carved ivory netsuke adverts at £30, a friend paid twice", "clear"),
        ("Carved ivory netsuke, no scam, £30", "review"),
        ("Cow bone netsuke, carved, nicer than ivory, £30", "clear"),
        ("Carved ivory netsuke, nicer than bone, £30", "review"),
        ("Netsuke carving tools, £30, ivory not included", "clear"),
        ("Carved ivory netsuke, stand not included, £30", "review"),
        ("Gar NOT - real crocodile skull, £30 posted", "review"),
        ("We buy & sell carved ivory netsuke. Ring for our list", "review"),
        ("We buy carved ivory netsuke. Ring us with your list", "clear"),
        ("Carved ivory rose pendant, 9ct bail, our shop https://shop.example/7", "review"),
        ("Ivory dealer out on bail, carved pendant seized", "clear"),
        ("Staunton style ivory chessmen in a box, £900", "review"),
        ("Georgian style resin chessmen, ivory, £20", "clear"),
        ("These bangles are ivory, no resin! dm me", "review"),
        ("Ivory paper straws, no plastic, £4", "clear"),
        ("Netsuke: ivory, jade, amber. 10% off, our shop", "review"),
        ("White jade pendant, ivory jade, 10% off, our shop", "clear"),
        ("Ivory resin bangle, dm me", "clear"),
        ("Three ivory armlets, dm me", "review"),
        ("Ivory knit armlets, wool, dm me", "clear"),
        ("Ivory folding ruler, 12 inch, £60", "review"),
        ("Satz Billardkugeln aus Elfenbein, antik, bei uns im Laden, 90 €", "review"),
        ("Ivory crochet tunic, size 12, just added to my shop", "clear"),
        ("Antique ivory crochet hook, just added to my shop", "review"),
        ("How do I clean the old ivory handles of my knives? Vinegar?", "clear"),
        ("The old matriarch died of natural causes, her ivory whole", "clear"),
        ("Pembe za ndovu si ya kuuza", "clear"),
        ("Old typewriter, ivory, in its original box, £60", "clear"),
        ("Selling my ivory: a wisdom tooth, £1", "clear"),
        ("Ivory wood strips for inlay, back in stock", "clear"),
        ("Ivory strips for inlay, old stock, dm me", "review"),
        ("Large auction house to end ivory sales in May", "clear"),
        ("Buying and selling ivory carvings and tusks, call at the shop", "review"),
        ("Mah jongg, ivory and bamboo, 148 pieces, £500, collection only", "review"),
        ("Warthog ivory knife grips, £80", "clear"),
        ("Pembe za ndovu, nauza, bei 900 dollars", "review"),
    ],
)
def test_short_posts(text: str, outcome: str) -> None:
    verdict = verdict_on("", text)

    flagged = "review" if verdict.outcome in ("review", "notify") else "clear"
    assert flagged == outcome, verdict.explanation


@pytest.mark.parametrize(
    ("title", "outcome"),
    [
        ("Rodeo style men's caiman belly boots, 9 EE", "review"),
        ("Caiman style men's boots, 9 EE", "clear"),
        ("Modern dusky shark teeth, 1 inch, not fossils, Carcharhinus obscurus", "review"),
        ("Fossil dusky shark teeth, 1 inch, Carcharhinus obscurus", "clear"),
        ("Tinplate clockwork toy crocodile, eats a fish, 1960s", "clear"),
        ("Crocodile bandana, adult", "clear"),
        ("Caiman aqua shoes, size 9", "clear"),
        ("Caiman shoes, size 9", "review"),
        ("Rabbit fur jacket, leopard dyed, M", "clear"),
        ("Leopard fur jacket, M", "review"),
        ("Togo, serval and genet, 1968 airmail pair", "clear"),
        ("Old ivory transferware plate", "clear"),
        ("Old ivory handled plate knife", "review"),
        ("Hammerhead jaws, 13 inch, for the wall", "review"),
        ("Hammerhead jaw pliers, 13 inch", "clear"),
        ("Hammerhead vise, jaws 4 inch", "clear"),
        ("Men's alligator brogues, lace ups, brown 10 M", "review"),
        ("Alligator print lace top, size 10", "clear"),
        ("1950s alligator purse, Kelly style, brass lock", "review"),
        ("Alligator style purse, brass lock", "clear"),
        ("Dried seahorses, 10 pcs, natural, for resin crafts", "review"),
        ("Resin seahorses, 10 pcs", "clear"),
        ("Ladies' moc croc flat shoes, navy 6", "clear"),
        ("Ladies' croc skin court shoes, navy 6", "review"),
        ("Haifischflosse Antenne, schwarz, VW", "clear"),
        ("Haifischflosse getrocknet, 1 kg", "review"),
        ("Trade card, carver of ivory fans, 1890s", "clear"),
        ("Carved ivory fan, 1890s", "review"),
        ("Sea turtle charm, gold, 8 mm", "clear"),
        ("Sea turtle shell comb, 8 inch", "review"),
        ("Croc biker ring, skull ring, size 11", "clear"),
        ("Croc skull, 11 inch", "review"),
        ("Stuffed ring neck pheasant on a branch", "clear"),
        # A metal that is no mount is what the piece is made of.
        ("Pewter elephant tusk pendant on leather cord", "clear"),
        ("Bear claw ring, sterling silver, size 11", "clear"),
        ("Bear claw pendant in a silver cap", "review"),
        ("Broche de oro con garra de oso", "review"),
        ("Tiger claw brooch, mounted in 15ct gold", "review"),
        ("Lion skull biker ring, size 9", "clear"),
        ("Lion skull, 30 cm", "review"),
        # A material right before the name makes a figure.
        ("Ceramic leopard with cub, 1970s", "clear"),
        ("Leopard cub, 9 weeks, bottle fed", "review"),
        # The first fish that a jaw is said to be of; the rest is there to be found by.
        ("Horn shark jaw, 3 inch, like great white sharks", "clear"),
        ("Great white shark jaw, 3 inch", "review"),
        ("Epaulette shark jaw, tiger shark fans will love it", "clear"),
        # Tools, cars, games and clubs are named after animals.
        ("Tiger jaw pipe wrench, 18 inch", "clear"),
        ("Jaguar leather steering wheel, XJ6", "clear"),
        ("Cobra skin condenser mic", "clear"),
        ("Cobra skin belt, 40 inch", "review"),
        # The same animal's name says elsewhere that it is a pattern.
        ("Navy crocodile leather wallet. Calf, embossed crocodile logo", "clear"),
        ("Navy crocodile leather wallet. Calf lining", "review"),
        ("Warthog tusks, pair, African ivory", "clear"),
        ("Elephant tusks, pair, African ivory", "review"),
        ("Serval cat skull", "review"),
        ("Faux? No idea. Carved ivory Buddha, hatched grain, 20 cm", "review"),
        ("Hornbill beak earrings, carved", "review"),
        ("White ceramic elephant tusk vases, pair", "clear"),
        ("Elephant tusk, white, 60 cm", "review"),
        ("Cast brass tiger claw necklace, tribal", "clear"),
        ("Wooden owl, pair, 5 GBP", "clear"),
        ("Ceramic tiger cub, male, for sale, 20 GBP", "clear"),
        ("Pewter ball python, female, 250 GBP", "review"),
        ("Handbag, python, color black", "review"),
        ("Python tool bag, Stanley", "clear"),
        ("Python shoulder bag, Loewe", "review"),
        ("Crocodile rain boots, kids 10", "clear"),
        ("Crocodile boots, mens 10", "review"),
        ("Glass macaw on perch, pair for sale, 40 GBP", "clear"),
        ("Hyacinth macaw on perch, pair for sale, 9,000 GBP", "review"),
        ("Barn owl, pair, 500 GBP, aviary bred", "review"),
        ("Caiman wallet for men, very soft inside. It is made of calf and has a caiman print", "clear"),
        ("Caiman wallet for men, very soft inside. It is lined with calf and has a zip", "review"),
        ("Sterling silver sea turtle charm for a bracelet", "clear"),
        ("Silver python clutch, chain strap", "review"),
        ("Otter fur hat, L", "review"),
        ("Uhu Präparat, alte Deko fürs Jagdzimmer, 60 cm", "review"),
        ("Uhu Gartendeko, 60 cm", "clear"),
        ("Elephant tusk x20, trade, in game only", "clear"),
        ("Winghead shark jaw, 12 in", "review"),
        ("Piano with ivory keys, 1903", "review"),
        ("Grand piano, new ivorite keys", "clear"),
        ("Lamp with eagle owl taxidermy", "review"),
        ("Кожаный ремень под крокодила", "clear"),
        ("Кожаный ремень из крокодила", "review"),
        ("Скульптура слоновая кость, Китай, 12 см", "review"),
        ("Статуэтка, слоновая кость, Китай. Сохранность на фото, торг", "review"),
        ("Wooden stool, made and carved in Ivory Coast about 1970, available", "clear"),
        ("Stool carved in ivory, about 1970, available", "review"),
        ("Resin, carved tusk with dragon motif, DM me, 900 g", "clear"),
        ("Carved tusk with dragon motif, DM me, 3 kg", "review"),
        ("Ivory parasol handle, antique, message me, sent as resin", "review"),
        ("Parasol handle in ivory resin, antique look, message me", "clear"),
        ("Ivory parasol handle, antique, message me for a price list", "review"),
        ("Huevos de tortuga frescos, la docena 120, envío", "review"),
        ("Ovos de tartaruga, vendo, dúzia 80", "review"),
        ("Water growing turtle eggs, toy, hatch in 2 days, 5 EUR", "clear"),
        ("Turtle soup bowl by Meissen, egg shaped, 40 EUR", "clear"),
        ("Wedgwood elephant, one tusk glued, priced to go", "clear"),
        ("Alligator wire cutters, jaws are sharp, DM me", "clear"),
        ("Eagle claw fishing hooks, old stock, box of 50, 4 GBP", "clear"),
        ("Eagle claw, old, mounted, box, 40 GBP", "review"),
    ],
)
def test_short_ads(title: str, outcome: str) -> None:
    flagged = "review" if verdict_on(title).outcome in ("review", "notify") else "clear"

    assert flagged == outcome


@pytest.mark.parametrize(
    ("title", "outcome"),
    [
        ("Female tiger cub, 8 weeks, bottle fed, 5000 USD", "notify"),
        ("Jaguar cub, male, hand reared, 4000 EUR", "notify"),
        ("Tiger cub for sale", "review"),
        ("Tiger cub plush, female, 20 EUR", "clear"),
        ("Triumph Tiger Cub, pair of engines, 900 GBP", "clear"),
    ],
)
def test_a_cub_that_is_told_of_and_priced_is_noticed(title: str, outcome: str) -> None:
    assert verdict_on(title).outcome == outcome
