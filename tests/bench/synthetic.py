"""Listings made up for measuring: 600 characters, twelve languages, a stated share of them offers.

Everything is drawn from word lists written for this project; the same seed gives the same bytes.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from schemas.listing import Listing, Price, Seller
from schemas.watchlist import WatchlistEntry

LENGTH = 600
"""Characters of title and description together."""
OBSERVED = datetime(2026, 11, 1, tzinfo=UTC)

WARES = {
    "en": "sturdy oak chair two drawers barely used bought last spring from a shop in town selling because we"
    " move house smoke free home collection only or posting at cost please ask for more photos size medium"
    " colour grey blue cotton wool knitted jumper with pockets lamp works fine cable replaced bicycle frame"
    " tyres pumped brakes checked novel paperback good condition first edition signed box of screws tools"
    " kitchen plates bowls set of six ceramic mug guitar strings camera lens battery charger included",
    "fr": "table basse en chêne massif très bon état achetée neuve pour cause de déménagement à retirer sur"
    " place ou envoi possible avec frais robe taille moyenne couleur bleue jamais portée lot de livres pour"
    " enfants vélo pliant freins neufs lampe de bureau qui fonctionne boîte d'origine fournie vaisselle de"
    " grand-mère assiettes verres merci de me contacter par message je réponds vite prix ferme",
    "es": "mesa de comedor madera maciza poco uso se vende por mudanza recoger en mano o envío con gastos"
    " vestido talla mediana color azul sin estrenar lote de libros infantiles bicicleta plegable frenos"
    " nuevos lámpara de escritorio funciona bien caja original incluida vajilla platos vasos abuela"
    " preguntar sin compromiso precio negociable zapatos número teléfono cargador funda pantalla",
    "pt": "mesa de jantar em madeira maciça pouco uso vendo por motivo de mudança retirar no local vestido"
    " tamanho médio cor azul nunca usado lote de livros infantis bicicleta dobrável travões novos candeeiro"
    " de secretária funciona caixa original incluída louça pratos copos da avó preço negociável sapatos",
    "de": "esstisch aus massiver eiche kaum gebraucht wegen umzug abzugeben nur abholung oder versand gegen"
    " aufpreis kleid größe mittel farbe blau nie getragen kinderbücher im paket klapprad bremsen neu"
    " schreibtischlampe funktioniert originalverpackung dabei geschirr teller gläser von oma festpreis"
    " nichtraucherhaushalt schuhe jacke hose gürtel werkzeug koffer schrank regal teppich spiegel",
    "ru": "стол обеденный из массива дуба почти новый продаю в связи с переездом самовывоз или почта платье"
    " размер средний цвет синий ни разу не надевали книги детские одним лотом велосипед складной тормоза"
    " новые лампа настольная рабочая коробка в комплекте посуда тарелки стаканы торг уместен пишите",
    "zh": "实木餐桌九成新因搬家转让自提或邮寄买家承担运费蓝色连衣裙中码全新未穿儿童图书一套打包折叠自行车"
    "刹车已换台灯正常使用原包装盘子碗杯子家用厨房手机充电器耳机价格可议欢迎咨询照片实拍",
    "vi": "bàn ăn gỗ sồi còn mới bán do chuyển nhà nhận tại chỗ hoặc gửi bưu điện váy xanh cỡ vừa chưa mặc"
    " sách thiếu nhi trọn bộ xe đạp gấp phanh mới đèn bàn hoạt động tốt hộp gốc bát đĩa cốc giá thương lượng",
    "th": "โต๊ะอาหารไม้โอ๊คสภาพดีขายเพราะย้ายบ้านรับเองหรือส่งไปรษณีย์ ชุดเดรสสีน้ำเงินไซส์กลางยังไม่เคยใส่ "
    "หนังสือเด็กยกชุด จักรยานพับได้เบรกใหม่ โคมไฟตั้งโต๊ะใช้งานได้ กล่องเดิม จานชามแก้ว ต่อรองได้",
    "id": "meja makan kayu jati masih bagus dijual karena pindah rumah ambil sendiri atau kirim pos gaun biru"
    " ukuran sedang belum pernah dipakai buku anak satu paket sepeda lipat rem baru lampu meja berfungsi"
    " kotak asli piring gelas harga nego sepatu tas jaket celana handphone pengisi daya",
    "ar": "طاولة طعام من خشب البلوط بحالة جيدة للبيع بسبب الانتقال الاستلام باليد أو الشحن على المشتري فستان"
    " أزرق مقاس متوسط لم يلبس كتب أطفال مجموعة دراجة قابلة للطي مصباح مكتب يعمل علبة أصلية أطباق أكواب",
    "ja": "食卓テーブル無垢材美品引っ越しのため出品します手渡しまたは郵送"
    "ワンピース青色中サイズ未着用絵本まとめ売り"
    "折りたたみ自転車ブレーキ新品デスクライト動作確認済み元箱付き皿茶碗コップ値下げ相談可",
}
OFFERS = (
    "Hand carved elephant ivory netsuke, {n} g, antique, price {p} USD",
    "Real ivory bangle for sale, {n} g, old stock, WhatsApp me",
    "Genuine rhino horn libation cup, {n} g, serious buyers only",
    "Défense d'éléphant sculptée, {n} cm, vends {p} €",
    "Colmillo de marfil tallado, {n} cm, en venta {p} €",
    "Elfenbein Figur geschnitzt, {n} g, Verkauf {p} €",
    "Продам бивень слона, {n} кг, цена {p} $",
    "出售 象牙手镯 真品 {n}克 包邮 {p}元",
    "bán ngà voi thật, {n} g, giá {p} tr",
    "ขาย งาช้าง แท้ {n} กรัม ราคา {p} บาท",
    "Dijual gading gajah asli {n} gram Rp {p}",
    "للبيع عاج فيل أصلي {n} جرام السعر {p}",
    "象牙 根付 彫刻 {n}g 価格 {p}円",
    "Pangolin scales dried {n} kg, {p} USD per kg, wholesale",
    "1v0ry carving {n} g, {p} USD",
    "Live ball python for sale, {n} months old, {p} USD",
)
NEAR_MISSES = (
    "Ivory lace wedding dress, size {n}, worn once, {p} EUR",
    "Tiger print leggings size {n}",
    "Plush elephant toy {n} cm",
    "Book about the rhino, hardcover, {n} pages",
    "Robe couleur ivoire taille {n}",
    "Tortoiseshell glasses frame acetate {n} mm",
    "Python programming course, {n} hours",
    "Кофта цвета слоновая кость, размер {n}",
)
_EXTRAS = ("12 cm", "A4", "3D", "USB-C", "100% cotton", "4x4", "M8", "5kg", "(new!)", "€15", "2 pcs", "#sale")


def _filler(rng: random.Random, language: str, length: int, fresh: float = 0.0) -> str:
    words = WARES[language].split()
    parts: list[str] = []
    size = 0
    while size < length:
        word = rng.choice(_EXTRAS) if rng.random() < 0.04 else rng.choice(words)
        if fresh and rng.random() < fresh:
            word = (
                "".join(rng.choices(_SYLLABLES, k=rng.randint(2, 4)))
                + str(rng.randint(0, 99))[: rng.randint(0, 2)]
            )
        if language in ("zh", "ja") and len(word) > 12:
            start = rng.randrange(len(word) - 8)
            word = word[start : start + rng.randint(4, 8)]
        mark = rng.choices(("", ",", ".", "!"), (86, 6, 7, 1))[0]
        parts.append((word.capitalize() if rng.random() < 0.1 else word) + mark)
        size += len(parts[-1]) + 1
    return " ".join(parts)[:length]


def listings(
    count: int, *, offers: float, near_misses: float, seed: int, length: int = LENGTH, fresh: float = 0.0
) -> Iterator[Listing]:
    """``count`` listings; the shares are probabilities. What is neither is of ordinary wares.

    ``fresh``: share of words that are made up, most of them never seen before, as names and numbers are.
    """
    rng = random.Random(seed)
    languages = sorted(WARES)
    for number in range(count):
        language = rng.choice(languages)
        draw = rng.random()
        about = OFFERS if draw < offers else NEAR_MISSES if draw < offers + near_misses else None
        values = {"n": rng.randint(12, 900), "p": rng.randint(20, 4_000)}
        title = rng.choice(about).format(**values) if about else _filler(rng, language, rng.randint(30, 70))
        yield Listing.sealed(
            platform="bench",
            listing_id=f"B-{number}",
            url=f"https://market.example/items/{number}",
            title=title,
            description=_filler(rng, language, length - len(title), fresh),
            price=Price(amount=Decimal(values["p"]), currency="EUR"),
            seller=Seller(handle=f"seller-{rng.randrange(9_999)}"),
            language=language,
            observed_at=OBSERVED,
            connector="bench",
            run_id="bench",
        )


_SYLLABLES = [
    "ba",
    "ko",
    "ri",
    "te",
    "mu",
    "lan",
    "dor",
    "vi",
    "sha",
    "pel",
    "no",
    "gri",
    "ze",
    "tak",
    "oru",
    "min",
    "das",
    "fe",
    "lo",
    "qui",
]


def watchlist(count: int, seed: int) -> dict[str, WatchlistEntry]:
    """Entries of every kind that is looked for in text; made-up words, so that they hit by chance only."""
    rng = random.Random(seed)
    kinds = ("term", "code_word", "hashtag", "handle", "phone")
    entries = {}
    for number in range(count):
        kind = kinds[number % len(kinds)]
        word = "".join(rng.choices(_SYLLABLES, k=rng.randint(3, 5)))
        value = f"+99 555 {number:07d}" if kind == "phone" else f"{word} {rng.choice(_SYLLABLES)}{number}"
        entries[f"w-{number}"] = WatchlistEntry.model_validate(
            {
                "entry_id": f"w-{number}",
                "kind": kind,
                "value": value,
                "reason": "made up for measuring",
                "source": "tests/bench",
                "added_by": "bench",
                "added_at": OBSERVED,
            }
        )
    return entries
