"""Names under which the trade sells listed animals and plants, each beside what only looks like it.

The titles were written for this project. Taxon and rank are those that the words support, never narrower.
"""

import pytest

from streams.screening.tools import listing_from
from streams.screening.verdict import Verdict
from tests.unit.streams.screening.test_offer import ruleset


def screened(title: str) -> Verdict:
    listing = listing_from({"id": "1", "title": title})
    return ruleset().screener({}).screen(listing, listing.observed_at)


OFFERED = {
    "Gator claw back scratcher, Florida souvenir": ("Alligator", "genus", "I/II"),
    "Hermes Porosus cardcase, matte black": ("Crocodylus porosus", "species", "I"),
    "Hartmann's zebra skin, felt backed": ("Equus zebra hartmannae", "subspecies", "II"),
    "Mountain zebra rug, 2 m": ("Equus zebra", "species", "I/II"),
    "Bontebok skin, tanned": ("Damaliscus pygargus pygargus", "subspecies", "II"),
    "Babirusa skull with curled tusks": ("Babyrousa", "genus", "I"),
    "Tapir skull, adult": ("Tapiridae", "family", "I/II"),
    "Kris handle of dugong ivory": ("Dugong dugon", "species", "I"),
    "Manatee rib carving, necklace": ("Trichechus", "genus", "I"),
    "Vintage lynx stole, silk lined": ("Lynx", "genus", "I/II"),
    "Luchsmantel Gr. 40, sehr gepflegt": ("Lynx", "genus", "I/II"),
    "Шуба из рыси, размер 46": ("Lynx", "genus", "I/II"),
    "Wolfsfell gegerbt, 150 cm": ("Canis lupus", "species", "I/II"),
    "Geoffroy cat fur coat, size M": ("Leopardus geoffroyi", "species", "I"),
    "Bearskin rug, open mouth": ("Ursidae", "family", "I/II"),
    "Kodiak bear hide, 8 ft": ("Ursus arctos", "species", "I/II"),
    "Scrimshaw baleen, whaling ship": ("Cetacea", "order", "I/II"),
    "Antique elephant foot umbrella stand": ("Elephantidae", "family", "I/II"),
    "Giraffe hair bracelet, 4 knots": ("Giraffa camelopardalis", "species", "II"),
    "Peccary gloves, size 9, hand sewn": ("Tayassuidae", "family", "I/II"),
    "Ratsnake boots 10D, brown": ("Ptyas mucosus", "species", "II"),
    "Pirarucu leather boots, square toe": ("Arapaima gigas", "species", "II"),
    "Mako jaw 18 in, clean": ("Isurus", "genus", "II"),
    "Thresher tail, dried, 3 ft": ("Alopias", "genus", "II"),
    "Saw fish blade, 60 cm, vintage": ("Pristidae", "family", "I"),
    "Seahorses dried, 10 pieces": ("Hippocampus", "genus", "II"),
    "Dried white teatfish, 1 kg": ("Holothuria (Microthele)", "subgenus", "II"),
    "Pink conch pearl 3 ct, loose": ("Strombus gigas", "species", "II"),
    "Brush coral, large specimen": ("Scleractinia", "order", "II"),
    "Elkhorn coral, large specimen": ("Acropora palmata", "species", "II"),
    "Lace coral chunk, pink": ("Stylasteridae", "family", "II"),
    "Ornithoptera goliath pair A1 papered": ("Ornithoptera goliath", "species", "II"),
    "Parnassius apollo, pair, spread": ("Parnassius apollo", "species", "II"),
    "Impeyan monal pheasant, mounted": ("Lophophorus impejanus", "species", "I"),
    "Bustard feathers, salmon flies": ("Otididae", "family", "I/II"),
    "Rhea feathers, natural, bundle": ("Rheidae", "family", "I/II"),
    "Cock of the rock, taxidermy, dome": ("Rupicola", "genus", "II"),
    "Medicinal leeches, live, 10 pcs": ("Hirudo", "genus", "II"),
    "Sturgeon leather wallet, brown": ("Acipenseriformes", "order", "I/II"),
    "Guanaco throw, 200 cm": ("Lama guanicoe", "species", "II"),
    "Nautilus cup on silver foot": ("Nautilidae", "family", "II"),
    "Radiated tortoise shell, 30 cm": ("Astrochelys radiata", "species", "I"),
    "Leopard tortoise shell, polished": ("Stigmochelys pardalis", "species", "II"),
    "Dehn al oud, 3 ml": ("Aquilaria", "genus", "II"),
    "American ginseng roots, wild, 500 g": ("Panax quinquefolius", "species", "II"),
    "Dried dendrobium, sliced, 250 g": ("Dendrobium", "genus", "I/II"),
    "Peyote buttons, dried": ("Lophophora williamsii", "species", "II"),
    "Rhino foot humidor, 1920s": ("Rhinocerotidae", "family", "I/II"),
    "Manta gill plates, dried, 1 kg": ("Mobulidae", "family", "I"),
    "Sloth bear claw": ("Melursus ursinus", "species", "I"),
    "King cobra skin belt": ("Ophiophagus hannah", "species", "II"),
    "Botas de pirarucu talla 27": ("Arapaima gigas", "species", "II"),
    "Gürtel aus Waranleder, 90 cm": ("Varanus", "genus", "I/II"),
    "Cinturón de piel de caimán, 100 cm": ("Crocodylia", "order", "I/II"),
    "砗磲手串 108颗": ("Tridacnidae", "family", "II"),
    "เขี้ยวหมี 2 ชิ้น": ("Ursidae", "family", "I/II"),
    "Bois de rose oil, 100 ml": ("Aniba rosaeodora", "species", "II"),
}

INNOCENT = (
    "Gators football jersey, back to back champions",
    "Leather cardcase, crocodile embossed",
    "Zebra hide rug, Burchell's plains zebra",
    "Printed cowhide, mountain zebra pattern, faux",
    "Blesbok skin, tanned",
    "Boar skull with tusks",
    "Tapir plush toy",
    "Kris handle of camel bone",
    "Manatee mug, Florida souvenir",
    "Lynx body spray gift set",
    "Lynx faux fur stole",
    "Wolf fleece blanket",
    "Geoffroy the giraffe toy",
    "Faux bearskin rug, machine washable",
    "Kodiak boots, steel toe, size 11",
    "Baleen whale poster",
    "Elephant foot plant in a pot, silk",
    "Giraffe print bracelet",
    "Deerskin gloves, size 9, peccary look",
    "Rat snake enamel pin",
    "Salmon skin wallet",
    "Mako boat seat cover",
    "Hammerhead toy figure with rhino head",
    "Thresher machine belt 1950s",
    "Sawfish submarine patch, US Navy",
    "Starfish dried, 10 pieces",
    "Dried mushrooms, 1 kg",
    "Freshwater pearl, pink, loose",
    "Bamboo coral beads, dyed red",
    "Lace dress coral, size 10",
    "Ornithoptera goliath stamp pair MNH",
    "Blue morpho butterfly, pair, spread",
    "Pheasant, mounted, ringneck",
    "Turkey feathers, salmon flies",
    "Rhea Seehorn signed photo",
    "Cock of the walk print, framed",
    "Leech lures, 10 pcs",
    "Rosewood chair oil finish, restored",
    "Salmon leather wallet, brown",
    "Alpaca throw, 200 cm",
    "Nautilus submarine model on silver foot",
    "Tortoise garden ornament, radiated pattern",
    "Oud perfume sample vial, 3 ml",
    "Ginseng shampoo, 500 ml",
    "Dendrobium watercolour, framed",
    "Bouton ancien, porcelaine",
    "Rhino figure, bronze, on foot",
    "Manta ray plush",
    "Lizard garden ornament",
    "Botas de vaquero talla 27",
    "Gürtel aus Rindsleder, 90 cm",
    "Cinturón de piel de vaca, 100 cm",
    "玻璃手串 108颗",
)

SPLIT = {
    "African padauk bowl blank, 8 in": ("Pterocarpus soyauxii", "species", "II"),
    "Padauk turning blank, 8 in": ("Pterocarpus", "genus", None),
    "African mahogany bowl blank": ("Khaya", "genus", "II"),
    "Cumaru decking boards, 3 m": ("Dipteryx", "genus", "II"),
    "Cedrela boards, rough sawn plank": ("Cedrela", "genus", "II"),
    "Ramin wood bowl blank": ("Gonystylus", "genus", "II"),
    "Afrormosia bowl blank": ("Pericopsis elata", "species", "II"),
    "Jacarandá da bahia planta, vaso": ("Dalbergia nigra", "species", "I"),
    "Pitcher plant, potted, 3 growths": ("Magnoliopsida", "class", None),
    "Sarracenia, potted, division": ("Sarracenia", "genus", "II"),
    "Fouquieria seedling, potted": ("Fouquieria", "genus", None),
    "Adenia caudex, potted": ("Adenia", "genus", None),
    "Condor feathers, real": ("Cathartidae", "family", "I"),
    "Osprey skull, real": ("Pandion haliaetus", "species", "II"),
    "Kestrel, taxidermy": ("Falconidae", "family", "I/II"),
    "Eagle claw, real": ("Accipitridae", "family", "I/II"),
    "Cobra skin boots": ("Naja", "genus", None),
    "Monocled cobra pair, captive bred": ("Naja kaouthia", "species", "II"),
    "Giant anteater skull": ("Myrmecophaga tridactyla", "species", "II"),
    "Aardwolf skull, real": ("Proteles cristata", "species", "III"),
    "Maned wolf skin, real": ("Chrysocyon brachyurus", "species", "II"),
    "Pygmy hippo skull": ("Hexaprotodon liberiensis", "species", "II"),
    "Blackbuck skull with horns": ("Antilope cervicapra", "species", "III"),
    "Porbeagle jaw, 12 in": ("Lamna nasus", "species", "II"),
    "Dried shark fins, 1 kg": ("Elasmobranchii", "subclass", None),
    "Walrus ivory scrimshaw pendant": ("Odobenus rosmarus", "species", "III"),
    "Sperm whale tooth scrimshaw": ("Physeter macrocephalus", "species", "I"),
    "Hippo tusk, carved": ("Hippopotamus amphibius", "species", "II"),
    "Marine ivory carving, old": ("Mammalia", "class", None),
    "Caracal skin, tanned": ("Caracal caracal", "species", "I/II"),
    "جلد نمر أصلي للبيع": ("Panthera", "genus", "I/II"),
    "شبل نمر للبيع": ("Panthera", "genus", "I/II"),
    "جلد فهد للبيع 500 دولار": ("Felidae", "family", "I/II"),
}
"""Names that once bore the taxon of others in their row; no appendix where only some of it is listed."""


@pytest.mark.parametrize("title", SPLIT)
def test_a_name_bears_its_own_taxon_and_no_appendix_that_is_not_its_own(title: str) -> None:
    verdict = screened(title)

    assert verdict.taxon is not None
    taxon = verdict.taxon
    assert (taxon.scientific_name, taxon.rank, taxon.appendix) == SPLIT[title]
    assert verdict.outcome == "review"


@pytest.mark.parametrize("title", OFFERED)
def test_a_trade_name_is_taken_for_its_taxon_at_the_rank_it_supports(title: str) -> None:
    verdict = screened(title)

    assert verdict.taxon is not None
    taxon = verdict.taxon
    assert (taxon.scientific_name, taxon.rank, taxon.appendix) == OFFERED[title]
    assert verdict.outcome == "review"


@pytest.mark.parametrize("title", INNOCENT)
def test_what_only_resembles_it_is_let_be(title: str) -> None:
    assert screened(title).outcome in ("clear", "monitor")
