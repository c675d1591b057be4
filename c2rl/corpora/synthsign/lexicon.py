"""The signs of SynthSign: how each is formed, and its words in German, English and Chinese.

Any two signs differ in at least two of the five form parameters. Sign order in `SIGNS` is
priority: a vocabulary of n signs is the first n, and the first `MINIMUM` already hold enough of
every category for all sentence types.

Words by category (the tuples `de`, `en`, `zh`):
    time, place, person    one phrase (a person is the subject, so nominative)
    object                 de: noun, gender m, f or n; en, zh: noun
    modifier               no word of its own; only the first sign of a compound
    adjective              de: stem; en, zh: the word
    transitive, intransitive
        de: present, preterite[, separated particle]; en: present, past, base[, particle]; zh: verb
"""

from typing import NamedTuple

HANDSHAPES = ("fist", "flat", "index", "vee", "ell", "five", "thumb", "ring", "horns")
LOCATIONS = ("forehead", "cheek", "chin", "chest", "contra", "side", "high", "belly")
MOVEMENTS = ("hold", "tap", "up", "down", "side", "circle", "apart", "twist", "arc")
ORIENTATIONS = ("up", "in", "down")
LANGUAGES = ("de", "en", "zh")


class Form(NamedTuple):
    """How a sign looks: its five parameters."""

    handshape: str
    location: str
    movement: str
    orientation: str
    """Where the fingers point; `in` is towards the body's midline."""
    hands: int
    """1, or 2 with the weak hand as a mirror image."""


class Sign(NamedTuple):
    """One sign of the lexicon."""

    gloss: str
    category: str
    form: Form
    de: tuple[str, ...]
    en: tuple[str, ...]
    zh: tuple[str, ...]


class Compound(NamedTuple):
    """Two signs that together are one German word."""

    glosses: tuple[str, str]
    de: tuple[str, str]
    """Noun and gender."""
    en: tuple[str]
    zh: tuple[str]


def _sign(entry: str) -> Sign:
    gloss, category, form, de, en, zh = (part.strip() for part in entry.split("|"))
    handshape, location, movement, orientation, hands = form.split()
    return Sign(
        gloss,
        category,
        Form(handshape, location, movement, orientation, int(hands)),
        tuple(de.split("/")) if de else (),
        tuple(en.split("/")) if en else (),
        tuple(zh.split("/")) if zh else (),
    )


_TABLE = """
HEUTE|time|index cheek hold in 2|heute|today|今天
GESTERN|time|fist contra side down 1|gestern|yesterday|昨天
MORGEN|time|five side apart up 1|morgen|tomorrow|明天
ABEND|time|horns belly circle down 2|am abend|tonight|今晚
GARTEN|place|vee forehead tap in 1|im garten|in the garden|在花园
SCHULE|place|ring high circle up 2|in der schule|at school|在学校
ZUHAUSE|place|horns chin twist up 1|zu hause|at home|在家
BAHNHOF|place|five chest tap in 2|am bahnhof|at the station|在车站
FRAU|person|thumb belly up in 1|die frau|the woman|女人
MANN|person|vee side down down 2|der mann|the man|男人
KIND|person|flat cheek arc up 2|das kind|the child|孩子
LEHRER|person|thumb high hold up 1|der lehrer|the teacher|老师
FREUND|person|flat side tap down 1|mein freund|my friend|朋友
APFEL|object|horns forehead apart in 2|apfel/m|apple|苹果
BUCH|object|ell contra arc in 1|buch/n|book|书
HAUS|object|index side up up 2|haus/n|house|房子
TUER|object|ring cheek down in 1|tür/f|door|门
AUTO|object|five forehead down up 2|auto/n|car|车
SCHLUESSEL|object|vee belly arc down 1|schlüssel/m|key|钥匙
BLUME|object|ring chest side down 2|blume/f|flower|花
ROT|adjective|five high circle in 1|rot|red|红
GROSS|adjective|flat belly side in 2|groß|big|大
KAUFEN|transitive|flat contra circle up 1|kauft/kaufte|buys/bought/buy|买
SUCHEN|transitive|five chest down down 1|sucht/suchte|looks for/looked for/look for|找
SEHEN|transitive|ell chest hold up 2|sieht/sah|sees/saw/see|看见
MITBRINGEN|transitive|horns side side in 1|bringt/brachte/mit|brings/brought/bring/along|带来
ARBEITEN|intransitive|vee cheek up up 1|arbeitet/arbeitete|works/worked/work|工作
TANZEN|intransitive|thumb high twist in 2|tanzt/tanzte|dances/danced/dance|跳舞
MUTTER|person|vee chin up in 2|meine mutter|my mother|妈妈
NEU|adjective|flat chin hold in 1|neu|new|新
DRAUSSEN|place|ring chest tap up 1|draußen|outside|在外面
MALEN|transitive|horns cheek tap up 2|malt/malte|paints/painted/paint|画
MANTEL|object|index forehead down up 1|mantel/m|coat|外套
REGEN|modifier|fist side circle in 2|||
WARTEN|intransitive|index chest twist in 1|wartet/wartete|waits/waited/wait|等待
TAEGLICH|time|fist high apart in 1|jeden tag|every day|每天
HUND|object|five side hold down 2|hund/m|dog|狗
ARZT|person|fist belly tap down 2|der arzt|the doctor|医生
KLEIN|adjective|horns contra up down 1|klein|small|小
KUECHE|place|ell high down in 2|in der küche|in the kitchen|在厨房
FINDEN|transitive|ring forehead arc in 2|findet/fand|finds/found/find|找到
JETZT|time|fist forehead arc up 1|jetzt|now|现在
SCHLAFEN|intransitive|vee high side up 2|schläft/schlief|sleeps/slept/sleep|睡觉
BALL|object|ell side twist down 1|ball/m|ball|球
NACHBAR|person|flat chest apart down 2|unser nachbar|our neighbour|邻居
ALT|adjective|thumb chin apart up 2|alt|old|旧
WINTER|time|ring belly hold down 1|im winter|in winter|冬天
VERGESSEN|transitive|ell high tap up 1|vergisst/vergaß|forgets/forgot/forget|忘记
"""

SIGNS = tuple(_sign(entry) for entry in _TABLE.strip().splitlines())
COMPOUNDS = (
    Compound(("HAUS", "TUER"), ("haustür", "f"), ("front door",), ("前门",)),
    Compound(("AUTO", "TUER"), ("autotür", "f"), ("car door",), ("车门",)),
    Compound(("AUTO", "SCHLUESSEL"), ("autoschlüssel", "m"), ("car key",), ("车钥匙",)),
    Compound(("REGEN", "MANTEL"), ("regenmantel", "m"), ("raincoat",), ("雨衣",)),
)
MINIMUM = 28
MAXIMUM = len(SIGNS)
BY_GLOSS = {sign.gloss: sign for sign in SIGNS}
PAST = frozenset({"GESTERN"})
"""Time signs that put the spoken verb in the past."""


class Vocabulary(NamedTuple):
    """The part of the lexicon that a corpus uses, by category."""

    time: tuple[Sign, ...]
    place: tuple[Sign, ...]
    person: tuple[Sign, ...]
    object: tuple[Sign, ...]
    adjective: tuple[Sign, ...]
    transitive: tuple[Sign, ...]
    intransitive: tuple[Sign, ...]
    compound: tuple[Compound, ...]


def vocabulary(size: int) -> Vocabulary:
    """Take the first signs of the lexicon.

    Args:
        size: Number of signs, `MINIMUM` to `MAXIMUM`.

    Returns:
        The signs by category, and the compounds whose two parts are among them.

    Raises:
        ValueError: If the lexicon cannot give that many signs.
    """
    if not MINIMUM <= size <= MAXIMUM:
        raise ValueError(
            f"synthsign.vocabulary is {size}, but the lexicon gives {MINIMUM} to {MAXIMUM} signs."
            " Choose a number in that range."
        )
    used = SIGNS[:size]
    known = {sign.gloss for sign in used}

    def of(category: str) -> tuple[Sign, ...]:
        return tuple(sign for sign in used if sign.category == category)

    return Vocabulary(
        of("time"),
        of("place"),
        of("person"),
        of("object"),
        of("adjective"),
        of("transitive"),
        of("intransitive"),
        tuple(c for c in COMPOUNDS if known.issuperset(c.glosses)),
    )
