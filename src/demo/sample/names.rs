//! Names of people who do not exist, and how to reach them.

use super::random::Random;

/// A name as the person typed it.
#[derive(Debug, Clone, Default)]
pub(super) struct Name {
    pub(super) shown: String,
    /// In Latin letters, for the e-mail address.
    pub(super) latin: String,
    pub(super) gender: &'static str,
    /// Whether the person writes English.
    pub(super) english: bool,
}

/// Family names with their pinyin, common ones more than once.
#[rustfmt::skip]
const FAMILY: &[(&str, &str)] = &[
    ("王", "wang"), ("王", "wang"), ("王", "wang"), ("李", "li"), ("李", "li"), ("李", "li"), ("张", "zhang"), ("张", "zhang"), ("张", "zhang"),
    ("刘", "liu"), ("刘", "liu"), ("陈", "chen"), ("陈", "chen"), ("杨", "yang"), ("杨", "yang"), ("赵", "zhao"), ("黄", "huang"), ("黄", "huang"),
    ("周", "zhou"), ("吴", "wu"), ("徐", "xu"), ("孙", "sun"), ("胡", "hu"), ("朱", "zhu"), ("高", "gao"), ("林", "lin"), ("林", "lin"), ("何", "he"),
    ("郭", "guo"), ("马", "ma"), ("罗", "luo"), ("梁", "liang"), ("宋", "song"), ("郑", "zheng"), ("谢", "xie"), ("韩", "han"), ("唐", "tang"),
    ("冯", "feng"), ("于", "yu"), ("董", "dong"), ("萧", "xiao"), ("程", "cheng"), ("曹", "cao"), ("袁", "yuan"), ("邓", "deng"), ("许", "xu"),
    ("傅", "fu"), ("沈", "shen"), ("曾", "zeng"), ("彭", "peng"), ("吕", "lv"), ("苏", "su"), ("卢", "lu"), ("蒋", "jiang"), ("蔡", "cai"),
    ("贾", "jia"), ("丁", "ding"), ("魏", "wei"), ("薛", "xue"), ("叶", "ye"), ("阎", "yan"), ("余", "yu"), ("潘", "pan"), ("杜", "du"),
    ("戴", "dai"), ("夏", "xia"), ("钟", "zhong"), ("汪", "wang"), ("田", "tian"), ("任", "ren"), ("姜", "jiang"), ("范", "fan"), ("方", "fang"),
    ("石", "shi"), ("姚", "yao"), ("谭", "tan"), ("廖", "liao"), ("邹", "zou"), ("熊", "xiong"), ("金", "jin"), ("陆", "lu"), ("郝", "hao"),
    ("孔", "kong"), ("白", "bai"), ("崔", "cui"), ("康", "kang"), ("毛", "mao"), ("邱", "qiu"), ("秦", "qin"), ("江", "jiang"), ("史", "shi"),
    ("顾", "gu"), ("侯", "hou"), ("邵", "shao"), ("孟", "meng"), ("龙", "long"), ("欧阳", "ouyang"), ("欧阳", "ouyang"), ("司马", "sima"), ("上官", "shangguan"),
];
#[rustfmt::skip]
const WOMEN: &[(&str, &str)] = &[
    ("佳怡", "jiayi"), ("欣妍", "xinyan"), ("雨桐", "yutong"), ("梓涵", "zihan"), ("诗琪", "shiqi"), ("思雨", "siyu"), ("婷婷", "tingting"), ("静", "jing"),
    ("敏", "min"), ("丽娟", "lijuan"), ("晓月", "xiaoyue"), ("雪", "xue"), ("梦瑶", "mengyao"), ("可欣", "kexin"), ("嘉宁", "jianing"), ("若曦", "ruoxi"),
    ("芷若", "zhiruo"), ("艳", "yan"), ("秀英", "xiuying"), ("海燕", "haiyan"), ("慧敏", "huimin"), ("子晴", "ziqing"), ("一诺", "yinuo"), ("晨曦", "chenxi"),
    ("语嫣", "yuyan"), ("安琪", "anqi"), ("倩", "qian"), ("娜", "na"), ("莉", "li"), ("文静", "wenjing"), ("美玲", "meiling"), ("春梅", "chunmei"),
    ("玉兰", "yulan"), ("云", "yun"), ("琳", "lin"), ("璐", "lu"), ("颖", "ying"), ("丹丹", "dandan"), ("小雅", "xiaoya"), ("心怡", "xinyi"),
    ("清妍", "qingyan"), ("以沫", "yimo"), ("书瑶", "shuyao"), ("念慈", "nianci"), ("沐晴", "muqing"), ("娜娜", "nana"), ("蕾", "lei"), ("冰", "bing"),
];
#[rustfmt::skip]
const MEN: &[(&str, &str)] = &[
    ("伟", "wei"), ("强", "qiang"), ("磊", "lei"), ("洋", "yang"), ("勇", "yong"), ("军", "jun"), ("杰", "jie"), ("涛", "tao"), ("超", "chao"), ("明", "ming"),
    ("浩然", "haoran"), ("子轩", "zixuan"), ("宇航", "yuhang"), ("俊杰", "junjie"), ("博文", "bowen"), ("志强", "zhiqiang"), ("建国", "jianguo"),
    ("天佑", "tianyou"), ("思远", "siyuan"), ("一鸣", "yiming"), ("凯", "kai"), ("鹏", "peng"), ("晨", "chen"), ("嘉豪", "jiahao"),
];
#[rustfmt::skip]
const LATIN: &[(&str, &str)] = &[
    ("Emily", "female"), ("Sophia", "female"), ("Grace", "female"), ("Vivian", "female"), ("Anna", "female"), ("Olivia", "female"), ("María", "female"),
    ("Chloé", "female"), ("Yuki", "female"), ("Jessica", "female"), ("Kevin", "male"), ("David", "male"), ("Daniel", "male"), ("Lucas", "male"),
];
const LATIN_FAMILY: &[&str] = &["Chen", "Wang", "Smith", "García", "Johnson", "Tanaka", "Lee", "Kim", "Müller", "Brown", "Wong", "Dubois"];
#[rustfmt::skip]
const NICKNAMES: &[(&str, &str)] = &[
    ("小鹿Lily", "lily"), ("桃子酱", "taozi"), ("爱吃芒果的猫", "mango"), ("Coco可可", "coco"), ("阿May", "may"), ("晚风", "wanfeng"), ("糖糖不甜", "tangtang"),
    ("七七", "qiqi"), ("Momo", "momo"), ("橙子汽水", "chengzi"), ("月亮邮递员", "moon"), ("Nana酱", "nanachan"),
];
/// Made-up ranges: the middle of every number is 0000.
const PREFIXES: &[&str] = &["138", "139", "150", "158", "186", "188", "199"];

/// The name of customer `number`.
pub(super) fn name(number: u32, random: &mut Random) -> Name {
    if random.chance(6) {
        return english(random);
    }
    if random.chance(5) {
        let (shown, latin) = random.pick(NICKNAMES);
        return Name { shown: format!("{shown}{}", number % 100), latin: latin.into(), gender: "female", english: false };
    }
    chinese(random, 82)
}

/// A Chinese name, of a woman in `women` of a hundred cases.
pub(super) fn chinese(random: &mut Random, women: u32) -> Name {
    let (family, family_latin) = random.pick(FAMILY);
    let gender = if random.chance(women) { "female" } else { "male" };
    let (given, given_latin) = random.pick(if gender == "female" { WOMEN } else { MEN });
    Name { shown: format!("{family}{given}"), latin: format!("{family_latin}.{given_latin}"), gender, english: false }
}

fn english(random: &mut Random) -> Name {
    let (given, gender) = random.pick(LATIN);
    let family = random.pick(LATIN_FAMILY);
    let shown = format!("{given} {family}");
    let latin = shown.to_lowercase().replace(' ', ".").replace('í', "i").replace('é', "e").replace('ü', "u");
    Name { shown, latin, gender, english: true }
}

/// An address that nobody has.
pub(super) fn email(name: &Name, random: &mut Random) -> String {
    let domain = random.pick(&["example.com", "example.com", "example.org", "example.net"]);
    format!("{}{}@{domain}", name.latin, random.within(1, 999))
}

/// A number of its own for everyone: 7919 has no divisor in common with 10000.
pub(super) fn phone(number: u32, random: &mut Random) -> String {
    format!("{}0000{:04}", random.pick(PREFIXES), (number * 7919 + 1234) % 10_000)
}
