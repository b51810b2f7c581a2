#include "libstore/report/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/finding_table.h"
#include "libstore/report/html.h"

namespace rmq::report {
namespace {

using forensics::Finding;
using forensics::Severity;
using forensics::size_text;

// A page is for eyes: what is more is counted.
constexpr std::size_t kShownFiles = 60;
constexpr std::size_t kShownQueues = 400;
constexpr std::size_t kShownFindings = 20;  // of a code
constexpr std::size_t kOpenFindings = 5;    // shown without a click
constexpr std::size_t kShownTopics = 25;
constexpr std::size_t kShownHours = 72;
constexpr std::size_t kShownBacklog = 50;
constexpr std::size_t kShownLost = 200;
constexpr double kMapWidth = 1000;
constexpr double kLeastMark = 4;

void append_more(std::string& out, std::size_t all, std::size_t shown, std::string_view thing) {
  if (all > shown)
    out += "<p class=\"quiet small\">and " + counted(static_cast<std::int64_t>(all - shown), thing) +
           " more</p>\n";
}

void append_row(std::string& out, std::initializer_list<std::string> cells, std::size_t numbers_from = 99) {
  out += "<tr>";
  std::size_t at = 0;
  for (const std::string& cell : cells) {
    out += at++ < numbers_from ? "<td>" : "<td class=\"number\">";
    out += cell + "</td>";
  }
  out += "</tr>\n";
}

std::string capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string code_of(std::string_view text) { return "<code>" + escaped(text) + "</code>"; }

std::int64_t lost_messages(const StoreFacts& facts) {
  return facts.plan ? static_cast<std::int64_t>(facts.plan->recovery.lost.size()) : 0;
}

std::int64_t hidden_messages(const StoreFacts& facts) {
  std::int64_t hidden = 0;
  if (facts.plan)
    for (const recovery::QueueOutcome& queue : facts.plan->recovery.queues) hidden += queue.found;
  return hidden;
}

bool start_destroys(const StoreFacts& facts) {
  return facts.forecast && facts.forecast->simulated &&
         (!facts.forecast->starts || facts.forecast->messages_lost > 0);
}

// Of a store on which a broker can be started safely once.
std::int64_t lost_after_crash(const StoreFacts& facts) {
  return !start_destroys(facts) && facts.forecast_after_crash ? facts.forecast_after_crash->messages_lost : 0;
}

std::string quoted_for_shell(const std::string& path) {
  const bool plain = !path.empty() && std::ranges::all_of(path, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '.' || c == '-' || c == '_';
  });
  if (plain) return path;
  std::string quoted = "'";
  for (const char c : path) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

Verdict verdict_of(const StoreFacts& facts) {
  const forensics::VerifySummary& summary = facts.summary;
  const std::int64_t lost = lost_messages(facts);
  const std::int64_t hidden = hidden_messages(facts);
  if (summary.cancelled || summary.read_errors)
    return {Verdict::Mood::bad, "Not everything could be looked at",
            "What follows is true, but there may be more: see what could not be read."};
  if (summary.worst == Severity::loss)
    return {
        Verdict::Mood::bad,
        lost > 0 ? counted(lost, "message") + (lost == 1 ? " is lost" : " are lost") : "Messages are damaged",
        (hidden > 0 ? counted(hidden, "other message") + " can be brought back. " : std::string()) +
            "The rest is whole: do not let a broker's start cut it off."};
  if (summary.worst == Severity::hidden)
    return {
        Verdict::Mood::bad,
        hidden > 0 ? counted(hidden, "message") + (hidden == 1 ? " cannot" : " cannot") + " be reached"
                   : "Messages cannot be reached",
        "They are in the log, but no queue leads to them. Nothing is lost: the queues can be made again."};
  if (summary.worst == Severity::degraded)
    return {Verdict::Mood::uncertain, "All messages are there; something else is wrong",
            "Search, speed or the next start may suffer. See the findings."};
  if (summary.unclean_stop)
    return {Verdict::Mood::uncertain, "The broker was not stopped cleanly",
            "Nothing else is wrong: a broker brings this in order when it starts."};
  return {Verdict::Mood::good, "The store is clean", "Everything was looked at, and nothing is wrong."};
}

void append_start_forecast(std::string& out, const StoreFacts& facts) {
  if (!facts.forecast) {
    out += "<p>What a broker's start would do is not known: " + escaped(facts.no_forecast) + "</p>\n";
    return;
  }
  const preflight::Preflight& forecast = *facts.forecast;
  std::string_view mood = start_destroys(facts) ? "bad" : "good";
  std::string text;
  if (!forecast.simulated) {
    mood = "uncertain";
    text = "What a stock broker's start would do is not known: " + escaped(forecast.reason) + ".";
  } else if (!forecast.starts) {
    text =
        "<strong>A stock broker does not start on it</strong>" + capitalized(escaped(forecast.reason)) + ".";
  } else if (forecast.messages_lost > 0 && forecast.max_phy_offset >= facts.log_end) {
    text =
        "<strong>A stock broker that is started now does not find " +
        counted(forecast.messages_lost, "whole message") +
        "</strong>They stay in the log, but no queue leads to them, and new messages may take their places.";
  } else if (forecast.messages_lost > 0) {
    text = "<strong>If a stock broker is started now, " + counted(forecast.messages_lost, "whole message") +
           (forecast.messages_lost == 1 ? " is lost as well" : " are lost as well") + "</strong>" +
           "They are intact at this moment. It would cut the log at offset " +
           grouped(forecast.max_phy_offset);
    if (!forecast.files_destroyed.empty())
      text += " and destroy " + counted(static_cast<std::int64_t>(forecast.files_destroyed.size()), "file");
    text += ".";
  } else {
    text = "A stock broker (RocketMQ 5.3) that is started now loses nothing that is whole.";
    if (const std::int64_t lost = lost_after_crash(facts); lost > 0) {
      mood = "uncertain";
      text += " But once it crashes, or is killed, its next start loses " + counted(lost, "message") +
              (lost == 1 ? " that is" : " that are") + " whole now.";
    }
  }
  fmt::format_to(std::back_inserter(out), "<div class=\"verdict {}\">{}</div>\n", mood, text);
  if (!forecast.files_destroyed.empty()) {
    out += "<details><summary>Files it would destroy</summary><p>";
    std::size_t shown = 0;
    for (const std::string& file : forecast.files_destroyed) {
      if (shown++ == kShownFindings) break;
      out += code_of(file) + " ";
    }
    out += "</p>";
    append_more(out, forecast.files_destroyed.size(), kShownFindings, "file");
    out += "</details>\n";
  }
}

void append_what_to_do(std::string& out, const StoreFacts& facts) {
  const Severity worst = facts.summary.worst;
  if (worst == Severity::benign && !start_destroys(facts)) return;
  const std::string store = escaped(quoted_for_shell(facts.store));
  out += "<section id=\"what-to-do\"><h2>What to do</h2><ol class=\"todo\">\n";
  if ((start_destroys(facts) && facts.forecast->starts) || lost_after_crash(facts) > 0)
    out += "<li><b>Do not start the broker</b> on this directory before it is mended.</li>\n";
  out += "<li>Keep a copy, on another disk if you can (<i>COPY</i>: where to):<pre>cp -a --sparse=always " +
         store + " <i>COPY</i></pre></li>\n";
  if (worst == Severity::loss)
    out +=
        "<li>Is there a replica (a slave, an old master)? It may have what is lost here. Take the damaged "
        "ranges "
        "from its store: first see what that would do, then add <code>--yes</code>:<pre>rmq-repair heal " +
        store + " --from <i>REPLICA_STORE</i></pre></li>\n";
  if (facts.plan && !facts.plan->recovery.possible()) {
    out += "<li>rmq-repair cannot mend this store by itself:<ul>";
    for (const std::string& refusal : facts.plan->recovery.refusals)
      out += "<li>" + escaped(refusal) + "</li>";
    out += "</ul></li>\n";
  } else if (facts.plan && !facts.plan->changes_nothing()) {
    std::int64_t readable = 0;
    for (const recovery::QueueOutcome& queue : facts.plan->recovery.queues)
      readable += queue.readable - queue.placeholders;
    out +=
        "<li>Mend it. The plan changes nothing; read it, then apply it. It can be undone.<pre>rmq-repair " +
        store + " --plan plan.json\nrmq-repair apply plan.json --yes</pre>Afterwards " +
        counted(readable, "message") + " can be read";
    if (const std::int64_t hidden = hidden_messages(facts); hidden > 0)
      out += ", " + grouped(hidden) + " of them only then";
    if (const auto mended = facts.plan->recovery.mended.size(); mended > 0)
      out += ", " + counted(static_cast<std::int64_t>(mended), "damaged message") + " whole again";
    if (const std::int64_t lost = lost_messages(facts); lost > 0)
      out +=
          "; " + counted(lost, "message") + (lost == 1 ? " stays" : " stay") +
          " lost unless a replica has them: their producers would have to send them again (the table below "
          "tells which)";
    out += ".</li>\n";
  } else if (!facts.plan) {
    out += "<li>rmq-repair has no plan: " + escaped(facts.no_plan) + "</li>\n";
  }
  out += "<li>Look again, and start the broker when this is clean:<pre>rmq-verify " + store +
         " --level deep</pre></li>\n";
  out += "</ol></section>\n";
}

namespace {

// "2026-01-02 00:36:07": seconds are enough to find what a producer did then.
std::string second_of(std::int64_t ms, forensics::TimeText& time) {
  return time.text(ms).replace(10, 1, " ").substr(0, 19);
}

std::string between(const StoreFacts& facts, const std::pair<std::string, std::int32_t>& queue,
                    forensics::TimeText& time) {
  const auto times = facts.lost_times.find(queue);
  if (times == facts.lost_times.end()) return {};
  const auto& [after, before] = times->second;
  if (after > 0 && before > 0) return second_of(after, time) + " and " + second_of(before, time);
  if (after > 0) return "after " + second_of(after, time);
  return before > 0 ? "before " + second_of(before, time) : std::string();
}

}  // namespace

void append_lost(std::string& out, const StoreFacts& facts) {
  if (!facts.plan) return;
  const recovery::Plan& plan = facts.plan->recovery;
  struct Row {
    std::vector<std::int64_t> offsets;
    std::int64_t behind_from = -1;
    std::int64_t behind = 0;
    std::int64_t found = 0;
  };
  std::map<std::pair<std::string, std::int32_t>, Row> rows;
  for (const recovery::LostMessage& message : plan.placeholders)
    rows[{message.topic, message.queue_id}].offsets.push_back(message.queue_offset);
  for (const recovery::QueueOutcome& queue : plan.queues) {
    const bool cut = queue.was_max > queue.max_offset && plan.units_behind > 0;
    if (!cut && queue.found == 0) continue;
    Row& row = rows[{queue.topic, queue.queue_id}];
    row.found = queue.found;
    if (cut) {
      row.behind_from = queue.max_offset;
      row.behind = queue.was_max - queue.max_offset;
    }
  }
  if (rows.empty()) return;
  const bool any_lost = std::ranges::any_of(
      rows, [](const auto& row) { return !row.second.offsets.empty() || row.second.behind > 0; });
  const bool any_found = std::ranges::any_of(rows, [](const auto& row) { return row.second.found > 0; });
  out += "<section id=\"lost\"><h2>Which messages</h2><div class=\"scroll\"><table><thead><tr><th>Topic</th>";
  out += any_lost ? "<th class=\"number\">Queue</th><th class=\"number\">lost</th><th>at queue offsets</th>"
                    "<th>stored between</th>"
                  : "<th class=\"number\">Queue</th>";
  if (any_found) out += "<th class=\"number\">can be brought back</th>";
  out += "</tr></thead>\n";
  forensics::TimeText time(facts.utc);
  std::size_t shown = 0;
  for (auto& [queue, row] : rows) {
    if (shown++ == kShownLost) break;
    std::ranges::sort(row.offsets);
    std::string offsets;
    for (std::size_t i = 0, ranges = 0; i < row.offsets.size();) {
      std::size_t end = i + 1;
      while (end < row.offsets.size() && row.offsets[end] == row.offsets[end - 1] + 1) ++end;
      if (ranges++ == kShownFindings) {
        offsets += ", …";
        break;
      }
      offsets += (offsets.empty() ? "" : ", ") + std::to_string(row.offsets[i]);
      if (end - i > 1) offsets += "–" + std::to_string(row.offsets[end - 1]);
      i = end;
    }
    if (row.behind > 0)
      offsets += (offsets.empty() ? "" : ", ") + std::to_string(row.behind_from) +
                 (row.behind > 1 ? "–" + std::to_string(row.behind_from + row.behind - 1) : std::string()) +
                 " (the queue's last)";
    const auto lost = static_cast<std::int64_t>(row.offsets.size()) + row.behind;
    out += "<tr><td>" + escaped(queue.first) + "</td><td class=\"number\">" + std::to_string(queue.second) +
           "</td>";
    if (any_lost)
      out += "<td class=\"number\">" + grouped(lost) + "</td><td>" + offsets + "</td><td>" +
             (lost == 0 ? std::string() : between(facts, queue, time)) + "</td>";
    if (any_found) out += "<td class=\"number\">" + grouped(row.found) + "</td>";
    out += "</tr>\n";
  }
  out += "</table></div>\n";
  append_more(out, rows.size(), kShownLost, "queue");
  if (!facts.plan->impact.empty()) {
    out += "<h3>What consumers will notice after the repair</h3><ul>";
    shown = 0;
    for (const repair::ConsumerImpact& impact : facts.plan->impact) {
      if (shown++ == kShownBacklog) break;
      out += "<li>" + escaped(impact.text) + "</li>";
    }
    out += "</ul>";
    append_more(out, facts.plan->impact.size(), kShownBacklog, "group and queue");
  }
  out += "</section>\n";
}

namespace {

void append_log_file(std::string& out, const scan::MappedFile& file, const forensics::FileVolume& volume,
                     const std::vector<const Finding*>& findings, forensics::TimeText& time) {
  const double scale = file.size > 0 ? kMapWidth / static_cast<double>(file.size) : 0;
  fmt::format_to(
      std::back_inserter(out),
      "<div class=\"file\"><code>{}</code><svg viewBox=\"0 0 {} 18\" preserveAspectRatio=\"none\" "
      "role=\"img\">"
      "<title>{} of {} used</title><rect class=\"records\" x=\"0\" y=\"0\" width=\"{:.1f}\" height=\"18\"/>",
      escaped(file.name), kMapWidth, size_text(volume.used), size_text(file.size),
      static_cast<double>(volume.used) * scale);
  for (const Finding* finding : findings) {
    const double at = static_cast<double>(finding->offset) * scale;
    const double width = std::max(static_cast<double>(finding->length) * scale, kLeastMark);
    fmt::format_to(
        std::back_inserter(out),
        "<rect class=\"{}\" x=\"{:.1f}\" y=\"0\" width=\"{:.1f}\" height=\"18\"><title>{}: {}</title></rect>",
        forensics::to_string(finding->severity), std::clamp(at, 0.0, kMapWidth - kLeastMark), width,
        finding->code, escaped(finding->message));
  }
  out += "</svg><span class=\"quiet small\">";
  out += volume.all.messages == 0 ? std::string(findings.empty() ? "not used yet" : "no message")
                                  : counted(volume.all.messages, "message") + ", " + "from " +
                                        time.text(volume.first_ms).replace(10, 1, " ").substr(0, 16);
  out += "</span></div>\n";
}

}  // namespace

namespace {

// Timer, compaction store, DLedger, RocksDBs: a cell for each directory, and for each file that is wrong.
template <class Cell>
void other_parts(const scan::StoreSurvey& survey, const std::map<std::string, Severity>& worst_of,
                 const Cell& cell) {
  std::set<std::string> shown;
  for (const scan::OtherFile& file : survey.others) {
    if (file.part == scan::OtherPart::unknown) continue;
    const std::size_t slash = file.shown.find('/', file.shown.starts_with("config/") ? 7 : 0);
    const std::string part = slash == std::string::npos ? file.shown : file.shown.substr(0, slash);
    if (shown.size() < kShownQueues && shown.insert(part).second) cell(part, part, "");
    const bool wrong = worst_of.contains(file.shown) && part != file.shown;
    if (wrong && shown.size() < kShownQueues && shown.insert(file.shown).second)
      cell(file.shown, file.shown, "");
  }
}

}  // namespace

void append_map(std::string& out, const StoreFacts& facts, const scan::StoreSurvey& survey) {
  std::map<std::string, std::vector<const Finding*>> by_file;
  std::map<std::string, Severity> worst_of;  // files, and directories above them
  for (const Finding& finding : facts.findings) {
    by_file[finding.file].push_back(&finding);
    for (std::string path = finding.file; !path.empty();) {
      Severity& worst = worst_of.try_emplace(path, Severity::benign).first->second;
      worst = std::max(worst, finding.severity);
      const std::size_t slash = path.rfind('/');
      path.resize(slash == std::string::npos ? 0 : slash);
    }
  }
  out +=
      "<section id=\"map\"><h2>Where it lies</h2><p class=\"legend small quiet\">"
      "<span><i style=\"background:var(--records)\"></i>messages</span>"
      "<span><i style=\"background:var(--free)\"></i>not used</span>"
      "<span><i style=\"background:var(--bad)\"></i>lost</span><span><i "
      "style=\"background:var(--hidden)\"></i>hidden: there, but no queue leads to it</span>"
      "<span><i style=\"background:var(--uncertain)\"></i>degraded: readable, something around it is "
      "wrong</span></p>\n<h3>Commit log</h3>\n";
  forensics::TimeText time(facts.utc);
  const auto& files = survey.commit_log.files;
  // Files that are missing have no row of their own: their findings stand where they would be.
  std::set<std::string> known;
  for (const scan::MappedFile& file : files) known.insert(file.shown);
  std::vector<std::pair<std::string, std::string>> rows;  // name, markup
  std::size_t whole = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto found = by_file.find(files[i].shown);
    const bool wrong = found != by_file.end();
    const bool edge = i == 0 || i + 1 == files.size();
    if (!wrong && !edge && files.size() > kShownFiles) {
      ++whole;
      continue;
    }
    std::string row;
    append_log_file(row, files[i], facts.volume.files[i],
                    wrong ? found->second : std::vector<const Finding*>(), time);
    rows.emplace_back(files[i].name, std::move(row));
  }
  for (const auto& [shown, findings] : by_file) {
    if (!shown.starts_with("commitlog/") || known.contains(shown)) continue;
    scan::MappedFile missing;
    missing.name = shown.substr(shown.rfind('/') + 1);
    missing.size = survey.commit_log.file_size;
    std::string row;
    append_log_file(row, missing, {}, findings, time);
    rows.emplace_back(missing.name, std::move(row));
  }
  std::ranges::sort(rows, {}, &std::pair<std::string, std::string>::first);
  for (std::size_t i = 0; i < std::min(rows.size(), 4 * kShownFiles); ++i) out += rows[i].second;
  append_more(out, rows.size(), 4 * kShownFiles, "file");
  if (whole > 0)
    out += "<p class=\"quiet small\">" + counted(static_cast<std::int64_t>(whole), "whole file") +
           " between them not shown</p>\n";
  if (rows.empty()) out += "<p class=\"quiet\">no commit log file</p>\n";

  const auto cell = [&](const std::string& path, std::string_view label, std::string_view title) {
    const auto worst = worst_of.find(path);
    fmt::format_to(std::back_inserter(out), "<span class=\"cell{}{}\" title=\"{}\">{}</span>",
                   worst == worst_of.end() ? "" : " ",
                   worst == worst_of.end() ? "" : forensics::to_string(worst->second), escaped(title),
                   escaped(label));
  };
  std::map<std::string, std::vector<const scan::Queue*>> topics;
  for (const scan::Queue& queue : survey.queues) topics[queue.topic].push_back(&queue);
  // Queues that are wrong first; a directory that is missing has only its finding.
  std::vector<std::string> order;
  std::map<std::string, std::set<std::int32_t>> missing;
  for (const Finding& finding : facts.findings) {
    if (finding.topic.empty() || !finding.file.starts_with("consumequeue")) continue;
    const auto known_topic = topics.find(finding.topic);
    const bool there = known_topic != topics.end() &&
                       std::ranges::any_of(known_topic->second, [&](const scan::Queue* queue) {
                         return queue->queue_id == finding.queue_id;
                       });
    if (!there && finding.queue_id >= 0) missing[finding.topic].insert(finding.queue_id);
    if (std::ranges::find(order, finding.topic) == order.end() && order.size() < kShownTopics)
      order.push_back(finding.topic);
  }
  for (const auto& [topic, queues] : topics)
    if (std::ranges::find(order, topic) == order.end()) order.push_back(topic);
  out += "<h3>Queues</h3><table class=\"queues\">\n";
  std::size_t shown = 0;
  for (const std::string& topic : order) {
    if (shown++ == 2 * kShownTopics) break;
    out += "<tr><td>" + escaped(topic) + "</td><td><div class=\"cells\">";
    std::size_t cells = 0;
    for (const scan::Queue* queue : topics[topic]) {
      if (cells++ == kShownQueues) break;
      cell(queue->directory, std::to_string(queue->queue_id),
           topic + " queue " + std::to_string(queue->queue_id));
    }
    for (const std::int32_t id : missing[topic])
      fmt::format_to(std::back_inserter(out),
                     "<span class=\"cell hidden\" title=\"queue {} is missing\">{}</span>", id, id);
    out += "</div></td></tr>\n";
  }
  out += "</table>\n";
  append_more(out, order.size(), 2 * kShownTopics, "topic");
  out += "<h3>Index, state and the rest</h3><div class=\"cells named\">";
  std::size_t index = 0;
  for (const scan::IndexFileInfo& file : survey.index_files) {
    if (index++ == kShownQueues) break;
    cell(file.shown, file.shown, "index file");
  }
  if (survey.checkpoint) cell(survey.checkpoint->shown, survey.checkpoint->shown, "how far all was flushed");
  if (survey.abort)
    cell(survey.abort->shown, survey.abort->shown, "the broker was not stopped cleanly, or is running");
  for (const scan::StoreFile& file : survey.config_files) cell(file.shown, file.shown, "state file");
  other_parts(survey, worst_of, cell);
  out += "</div>\n</section>\n";
}

void append_findings(std::string& out, const StoreFacts& facts) {
  if (facts.findings.empty()) return;
  std::vector<std::pair<std::string_view, std::vector<const Finding*>>> codes;
  for (const Finding& finding : facts.findings) {  // the worst first
    auto place = std::ranges::find(codes, finding.code, &decltype(codes)::value_type::first);
    if (place == codes.end()) place = codes.insert(codes.end(), {finding.code, {}});
    place->second.push_back(&finding);
  }
  out += "<section id=\"findings\"><h2>What is wrong, in words</h2>\n";
  if (facts.plan && facts.plan->recovery.possible() && !facts.plan->changes_nothing())
    out +=
        "<p class=\"quiet\">The steps above are about all of this. What follows explains it one by "
        "one.</p>\n";
  for (const auto& [code, findings] : codes) {
    const forensics::FindingRow* row = forensics::find_finding(code);
    const Severity worst = findings.front()->severity;
    const auto all = facts.summary.findings.find(code);
    const std::int64_t count =
        all == facts.summary.findings.end() ? static_cast<std::int64_t>(findings.size()) : all->second;
    fmt::format_to(std::back_inserter(out),
                   "<div class=\"finding\"><span class=\"badge {}\">{}</span> <b>{}</b> <code>{}</code> "
                   "<span class=\"quiet\">{}</span>",
                   forensics::to_string(worst), forensics::to_string(worst),
                   row == nullptr ? "" : escaped(row->title), code,
                   grouped(count) + (count == 1 ? " time" : " times"));
    if (row != nullptr)
      out += "<p>" + escaped(row->meaning) + "</p><p><b>What to do:</b> " + escaped(row->fix) + "</p>";
    out += "<details" +
           std::string(worst > Severity::benign && findings.size() <= kOpenFindings ? " open" : "") +
           "><summary>Where</summary><ul>\n";
    std::size_t shown = 0;
    for (const Finding* finding : findings) {
      if (shown++ == kShownFindings) break;
      out += "<li>" + code_of(finding->file.empty() ? "the store" : finding->file) + ": " +
             escaped(finding->message);
      if (finding->length > 0)
        out += " <span class=\"quiet\">(bytes " + grouped(finding->offset) + " to " +
               grouped(finding->offset + finding->length) + ")</span>";
      if (finding->consequences > 0)
        out += " <span class=\"quiet\">" + counted(finding->consequences, "more fault") +
               " only because of this.</span>";
      out += "</li>\n";
    }
    out += "</ul>";
    append_more(out, static_cast<std::size_t>(count), std::min(findings.size(), kShownFindings), "place");
    out += "</details></div>\n";
  }
  if (!facts.summary.faults.empty()) {
    out += "<h3>Could not be read</h3><ul>";
    for (const std::string& fault : facts.summary.faults) out += "<li>" + escaped(fault) + "</li>";
    out += "</ul>";
  }
  out += "</section>\n";
}

void append_backlog(std::string& out, const StoreFacts& facts) {
  if (facts.backlog.empty()) return;
  std::map<std::pair<std::string, std::string>, std::pair<std::int64_t, int>> by_topic;
  for (const Backlog& one : facts.backlog) {
    auto& [messages, queues] = by_topic[{one.group, one.topic}];
    messages += one.messages;
    ++queues;
  }
  std::vector<std::pair<std::pair<std::string, std::string>, std::pair<std::int64_t, int>>> rows(
      by_topic.begin(), by_topic.end());
  std::ranges::sort(rows, [](const auto& a, const auto& b) {
    return std::tie(b.second.first, a.first) < std::tie(a.second.first, b.first);
  });
  out +=
      "<section id=\"backlog\"><h2>Who has still to read</h2><table><thead><tr><th>Group</th><th>Topic</th>"
      "<th class=\"number\">messages</th><th class=\"number\">in queues</th></tr></thead>\n";
  for (std::size_t i = 0; i < std::min(rows.size(), kShownBacklog); ++i)
    append_row(out,
               {escaped(rows[i].first.first), escaped(rows[i].first.second), grouped(rows[i].second.first),
                grouped(rows[i].second.second)},
               2);
  out += "</table>\n";
  append_more(out, rows.size(), kShownBacklog, "group and topic");
  out += "</section>\n";
}

void append_traffic(std::string& out, const StoreFacts& facts) {
  std::map<std::string, forensics::Volume> topics;
  std::map<std::string, std::map<std::string, forensics::Volume>> hours;
  for (const forensics::FileVolume& file : facts.volume.files) {
    for (const auto& [key, volume] : file.rows) {
      topics[key.second].add(volume);
      hours[key.first][key.second].add(volume);
    }
  }
  if (topics.empty()) return;
  std::vector<std::pair<std::string, forensics::Volume>> sorted(topics.begin(), topics.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return std::tie(b.second.bytes, a.first) < std::tie(a.second.bytes, b.first);
  });
  while (hours.size() > kShownHours) hours.erase(hours.begin());
  std::int64_t most = 1;
  for (const auto& [hour, row] : hours)
    for (const auto& [topic, volume] : row) most = std::max(most, volume.messages);
  out +=
      "<section id=\"traffic\"><h2>Who wrote how much, and when</h2><div class=\"scroll\"><table "
      "class=\"heat\"><thead><tr>"
      "<th>Topic</th><th class=\"number\">messages</th><th class=\"number\">bytes</th>";
  out += fmt::format("<th colspan=\"{}\" class=\"small\">{}:00 … {}:00, {}</th></tr></thead>\n", hours.size(),
                     escaped(hours.begin()->first), escaped(hours.rbegin()->first),
                     counted(static_cast<std::int64_t>(hours.size()), "hour with messages"));
  for (std::size_t i = 0; i < std::min(sorted.size(), kShownTopics); ++i) {
    const auto& [topic, volume] = sorted[i];
    out += "<tr><td class=\"name\">" + escaped(topic) + "</td><td class=\"number\">" +
           grouped(volume.messages) + "&nbsp;</td><td class=\"number\">" + size_text(volume.bytes) +
           "&nbsp;</td>";
    for (const auto& [hour, row] : hours) {
      const auto there = row.find(topic);
      const std::int64_t messages = there == row.end() ? 0 : there->second.messages;
      if (messages == 0) {
        out += "<td></td>";
        continue;
      }
      const int shade =
          15 + static_cast<int>(85.0 * static_cast<double>(messages) / static_cast<double>(most));
      fmt::format_to(std::back_inserter(out),
                     "<td style=\"background:color-mix(in srgb,var(--records) {}%,transparent)\" "
                     "title=\"{}:00: {}\"></td>",
                     shade, escaped(hour), counted(messages, "message"));
    }
    out += "</tr>\n";
  }
  out += "</table></div>\n";
  append_more(out, sorted.size(), kShownTopics, "topic");
  out += "</section>\n";
}

void append_queues(std::string& out, const StoreFacts& facts) {
  if (facts.queues.empty()) return;
  out += "<section id=\"queues\"><h2>Queues</h2><details><summary>" +
         counted(static_cast<std::int64_t>(facts.queues.size()), "queue") +
         "</summary><div class=\"scroll\"><table><thead><tr><th>Topic</th><th>Queue</th><th "
         "class=\"number\">first offset</th>"
         "<th class=\"number\">behind the last</th><th class=\"number\">messages</th><th "
         "class=\"number\">files</th></tr></thead>\n";
  for (std::size_t i = 0; i < std::min(facts.queues.size(), kShownQueues); ++i) {
    const QueueFacts& queue = facts.queues[i];
    append_row(
        out,
        {escaped(queue.topic), std::to_string(queue.queue_id), grouped(queue.min_offset),
         grouped(queue.max_offset), grouped(queue.max_offset - queue.min_offset), size_text(queue.bytes)},
        2);
  }
  out += "</table></div>\n";
  append_more(out, facts.queues.size(), kShownQueues, "queue");
  out += "</details></section>\n";
}

}  // namespace rmq::report
