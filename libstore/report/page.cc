#include "libstore/report/page.h"

#include <fmt/format.h>

#include <iterator>

#include "libstore/forensics/dump_text.h"
#include "libstore/report/html.h"
#include "libstore/report/sections.h"

namespace rmq::report {
namespace {

constexpr std::string_view kStyle = R"css(
:root{--page:#fff;--text:#1a2230;--quiet:#5b6677;--line:#d8dde5;--card:#f5f7fa;--good:#1a7f4b;--uncertain:#9a6700;
--bad:#c02626;--hidden:#8a3ffc;--records:#7aa7d9;--free:#e8ebf0;--good-card:#e9f6ee;--uncertain-card:#fff6dd;--bad-card:#fdecec}
@media (prefers-color-scheme:dark){:root{--page:#12161c;--text:#e6eaf0;--quiet:#9aa6b6;--line:#313a47;--card:#1b2129;
--good:#4cc38a;--uncertain:#e2b340;--bad:#ff6b6b;--hidden:#b58cff;--records:#3f6ea3;--free:#262e39;--good-card:#14281e;
--uncertain-card:#2c2513;--bad-card:#331a1c}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.5rem;background:var(--page);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
h1{font-size:1.3rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}
h3{font-size:1rem;margin:1rem 0 .3rem}p{margin:.4rem 0}.quiet{color:var(--quiet)}.small{font-size:.85rem}
code,.mono{font:.86em/1.4 ui-monospace,SFMono-Regular,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.5rem .7rem;margin:.3rem 0;
white-space:pre-wrap;overflow-wrap:anywhere}pre i{color:var(--uncertain);font-weight:600}
.verdict{border-left:6px solid;border-radius:6px;padding:.8rem 1rem;margin:1rem 0}
.verdict strong{font-size:1.35rem;display:block}
.good{border-color:var(--good);background:var(--good-card)}.uncertain{border-color:var(--uncertain);background:var(--uncertain-card)}
.bad{border-color:var(--bad);background:var(--bad-card)}
ol.todo li{margin:.5rem 0}
table{border-collapse:collapse;width:100%;font-size:.92rem}th{text-align:left;color:var(--quiet);font-weight:600}
th,td{padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.badge{display:inline-block;border-radius:4px;padding:0 .45rem;font-size:.8rem;font-weight:600;color:var(--page)}
.badge.loss{background:var(--bad)}.badge.hidden{background:var(--hidden)}.badge.degraded{background:var(--uncertain)}
.badge.benign{background:var(--quiet)}
.file{display:grid;grid-template-columns:13rem 1fr 17rem;gap:.8rem;align-items:center;margin:.15rem 0}
.file svg{width:100%;height:18px;display:block;border-radius:3px;background:var(--free)}
.records{fill:var(--records)}.loss{fill:var(--bad)}.hidden{fill:var(--hidden)}.degraded{fill:var(--uncertain)}.benign{fill:var(--quiet)}
.queues td:first-child{width:18rem;overflow-wrap:anywhere}.cells{display:flex;flex-wrap:wrap;gap:3px}.cell{width:1.5rem;height:1.1rem;border-radius:3px;background:var(--records);
font-size:.65rem;text-align:center;color:var(--page);overflow:hidden}
.named .cell{width:auto;height:auto;padding:0 .4rem;font-size:.75rem}.cell.loss{background:var(--bad)}.cell.hidden{background:var(--hidden)}.cell.degraded{background:var(--uncertain)}
.cell.benign{background:var(--quiet)}
.legend span{margin-right:1.2rem;white-space:nowrap}.legend i{display:inline-block;width:.9rem;height:.9rem;border-radius:3px;
vertical-align:-.1rem;margin-right:.3rem}
.heat td{padding:0;border:1px solid var(--page);height:1.2rem;min-width:.5rem}.heat th{padding-right:.8rem;white-space:nowrap}
.heat td.name{padding-right:.8rem;max-width:18rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.scroll{overflow-x:auto}details{margin:.3rem 0}summary{cursor:pointer}
.finding{border:1px solid var(--line);border-radius:6px;padding:.6rem .9rem;margin:.7rem 0;break-inside:avoid}
@media (max-width:48rem){.file{grid-template-columns:1fr;gap:.1rem;margin:.7rem 0}}
@media print{body{max-width:none;font-size:11pt;padding:0}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
details>*{display:block}details::details-content{content-visibility:visible;display:block}
h2{break-after:avoid}}
)css";

std::string_view class_of(Verdict::Mood mood) {
  switch (mood) {
    case Verdict::Mood::good: return "good";
    case Verdict::Mood::uncertain: return "uncertain";
    case Verdict::Mood::bad: return "bad";
  }
  return "bad";
}

}  // namespace

std::string page_of(const StoreFacts& facts, const scan::StoreSurvey& survey) {
  forensics::TimeText time(facts.utc);
  const Verdict verdict = verdict_of(facts);
  std::string out;
  const auto to = std::back_inserter(out);
  fmt::format_to(
      to,
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\">"
      "<title>{}: {}</title><style>{}</style></head><body>\n",
      escaped(verdict.headline), escaped(facts.store), kStyle);
  fmt::format_to(to,
                 "<header><h1>RocketMQ store <span class=\"mono\">{}</span></h1>"
                 "<p class=\"quiet small\">looked at {} by {}, level {}</p></header>\n",
                 escaped(facts.store), time.text(facts.made_ms).replace(10, 1, " ").erase(19, 4),
                 escaped(facts.program), escaped(facts.level));
  fmt::format_to(to, "<div class=\"verdict {}\"><strong>{}</strong>{}</div>\n", class_of(verdict.mood),
                 escaped(verdict.headline), escaped(verdict.sentence));
  append_start_forecast(out, facts);
  append_what_to_do(out, facts);
  append_lost(out, facts);
  append_map(out, facts, survey);
  append_findings(out, facts);
  append_backlog(out, facts);
  append_traffic(out, facts);
  append_queues(out, facts);
  fmt::format_to(to,
                 "<footer><p class=\"quiet small\">{} of {} bytes checked, {}. The store was only read. "
                 "This page shows no message's body.</p></footer></body></html>\n",
                 grouped(facts.summary.bytes_checked), grouped(facts.summary.bytes_expected),
                 counted(facts.summary.records, "record"));
  return out;
}

}  // namespace rmq::report
