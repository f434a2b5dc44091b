/** Layout of the page: header, sections, charts; for a screen, a phone and A4. */
const HEADER = `
.page{max-width:1168px;margin:0 auto;padding:28px 24px 64px}
.top{display:flex;flex-wrap:wrap;gap:4px 24px;justify-content:space-between;font-size:13px;color:var(--muted);padding-bottom:14px;border-bottom:1px solid var(--rule)}
.top b{color:var(--ink);font-weight:600}
.badge{display:inline-flex;align-items:baseline;gap:10px;margin:36px 0 14px;padding:4px 12px 4px 10px;border-radius:4px;font-size:14px;font-weight:650;letter-spacing:.02em}
.badge.pass{background:var(--good-wash)}.badge.fail{background:var(--bad-wash)}.badge.unknown{background:var(--doubt-wash)}
.badge small{font-size:13px;font-weight:400;letter-spacing:0}
h1{max-width:30em}p>.verdict{white-space:normal}.top span{min-width:0;overflow-wrap:anywhere}
.lede{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:16px 40px;margin-top:24px}
.lede dt{font-size:13px;font-weight:600;color:var(--muted)}
.lede dd{margin:2px 0 0;max-width:38em}
.banner{margin-top:20px;padding:10px 14px;border-left:3px solid var(--doubt);background:var(--doubt-wash);font-size:15px}
.banner.bad{border-color:var(--bad);background:var(--bad-wash)}
.keys{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,215px),1fr));gap:0 40px;margin-top:32px;border-top:2px solid var(--ink)}
.keys div{padding:14px 0 16px;border-bottom:1px solid var(--rule)}
.keys dt{font-size:13px;color:var(--muted)}
.keys dd{margin:4px 0 0;font-size:25px;font-weight:600;line-height:1.2;letter-spacing:-.01em}
.keys dd small{display:block;margin-top:4px;font-size:13px;font-weight:400;letter-spacing:0;color:var(--muted)}
.keys .from{color:var(--before)}.keys .to{color:var(--after)}
.keys.compared{grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr))}
.keys .each{display:flex;font-size:19px}.each span{flex:1 0 5.2em;min-width:max-content;white-space:nowrap;padding-right:8px}
h1.long{font-size:clamp(20px,2.4vw,26px);max-width:36em}.below{margin-top:12px}
.keys .arrow{color:var(--axis);font-weight:400;padding:0 7px}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin-top:20px;font-size:13px;color:var(--muted)}
`;

const SECTIONS = `
section{margin-top:64px}
section>h2{padding-bottom:6px}
section>.note{max-width:46em;margin-bottom:16px}
section>h3{margin:30px 0 8px}
section>figure+figure,section>.scroll+figure,section>figure+.scroll,section>details+.scroll,.arms+.scroll{margin-top:24px}
section>.big+.scroll,section>.note+.scroll{margin-top:14px}
.arms{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:28px 36px}
.arms>*{min-width:0}
.arms.text{grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));margin-top:20px}
.arms>figure{max-width:640px}.arms.stacked{grid-template-columns:1fr}.arms.stacked>figure{max-width:none}
.numbered{display:flex;flex-wrap:wrap;gap:2px 22px;margin:0 0 14px;padding:0;list-style:none;counter-reset:phase;font-size:13px;color:var(--muted)}
.numbered li{counter-increment:phase}.numbered li::before{content:counter(phase) " ";color:var(--ink)}
.scroll+.scroll{margin-top:28px}
.arm-name{display:flex;flex-wrap:wrap;gap:0 10px;align-items:baseline;padding-bottom:8px;font-weight:600}
.arm-name span{font-size:13px;font-weight:400;color:var(--muted)}
.before-ink{color:var(--before)}.sample-ink{color:var(--sample)}.after-ink{color:var(--after)}
.beside{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,1fr);gap:24px 44px;align-items:start}
.beside.stacked{grid-template-columns:minmax(0,1fr)}.stacked>figure{max-width:760px}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;margin:0 0 14px;padding:0;list-style:none;font-size:13px;color:var(--muted)}
.legend li{display:flex;align-items:center;gap:7px}
.key{flex:none;width:20px;height:12px}
figcaption{margin-top:8px;max-width:46em}
figure div>svg{display:block;width:100%;height:auto;max-width:100%;overflow:visible}
svg{font-size:12px;font-family:inherit}
.column{max-width:760px}
.narrow{display:none}
.big{font-size:17px;max-width:40em}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:20px 40px}
.facts{margin-top:24px}.facts h3{margin-bottom:4px}.facts h3.next{margin-top:20px}
.pairs{display:grid;grid-template-columns:fit-content(45%) minmax(0,1fr);gap:4px 20px;font-size:15px}
.pairs dt{color:var(--muted)}.pairs dd{margin:0}
.words dt{font-weight:600;color:var(--ink)}
footer{margin-top:60px;padding-top:14px;border-top:1px solid var(--rule);font-size:13px;color:var(--muted)}
`;

const SMALL = `
@media screen and (min-width:1000px){.arms.three{grid-template-columns:repeat(3,1fr)}.arms.three .wide{display:none}.arms.three .narrow{display:block}}
@media (max-width:900px){.beside{grid-template-columns:minmax(0,1fr)}.beside>figure{max-width:720px}}
@media (max-width:600px){
.limit{display:none}.cell{display:block}.under{white-space:normal}td:not(.num){min-width:6.5em}
.page{padding:18px 16px 40px}body{font-size:15px}section{margin-top:44px}.badge{margin-top:24px}
.wide{display:none}.narrow{display:block}
th,td{padding-right:14px}table{font-size:14px}
.keys dd{font-size:22px}.pairs{grid-template-columns:1fr;gap:0}.pairs dd{margin-bottom:8px}
}`;

const PRINT = `
@page{size:A4;margin:14mm 14mm 16mm}
@media print{
body{font-size:10.5pt;line-height:1.45;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.page{max-width:none;padding:0}nav{display:none}
h1{font-size:19pt}h2{font-size:14pt}
section{margin-top:26pt}.badge{margin-top:14pt}
table,.pairs{font-size:9pt}th,td{padding:4pt 10pt 4pt 0}thead th,.note,figcaption,.legend,caption,summary{font-size:8.5pt}
h2,h3,section>.note,.legend,.arm-name,.big{break-after:avoid;break-inside:avoid}
#slos,#documented,.beside:not(.stacked),.keep:not(.tall),#heat,#errors,#capacity,#resources .arms,#validity,#calibration{break-inside:avoid}
.lede{grid-template-columns:1fr 1fr}
figure,tr,.keys,.lede,.facts>*,.banner{break-inside:avoid}
.arms{grid-template-columns:1fr 1fr;gap:14pt 20pt}.arms .wide{display:none}.arms .narrow{display:block}
.arms.single{grid-template-columns:1fr}.arms.single .wide{display:block}.arms.single .narrow{display:none}
.beside:not(.stacked){grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:14pt 20pt}section>figure{max-width:480pt!important}
.beside:not(.stacked) .wide{display:none}.beside:not(.stacked) .narrow{display:block}section>figure .wide{display:block}section>figure .narrow{display:none}
tr.total td,tr.total th,.under{font-size:8.5pt}.under{white-space:normal}.stacked>figure{max-width:420pt!important}.arms.stacked>figure{max-width:none!important}.arms.stacked .wide{display:block}.arms.stacked .narrow{display:none}.scroll{background:none}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:7.5pt;padding:8pt}
.scroll{overflow:visible}
.keys{grid-template-columns:repeat(4,1fr);gap:0 18pt;margin-top:16pt}.keys dd{font-size:12.5pt;white-space:nowrap}.keys .arrow{padding:0 4pt}.keys dd small{white-space:normal}
.keys.compared{grid-template-columns:repeat(3,1fr)}.keys .each{font-size:12pt}
#phases th:first-child{min-width:13em}
details::details-content{display:block;content-visibility:visible}
summary{list-style:none;break-after:avoid}
}`;

export const LAYOUT = HEADER + SECTIONS + SMALL + PRINT;
