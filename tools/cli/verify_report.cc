#include "tools/cli/verify_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/finding_table.h"
#include "libstore/format/mapped_file_name.h"
#include "tools/cli/explain.h"
#include "tools/cli/json_fields.h"

namespace rmq::cli {
namespace {

constexpr std::size_t kShownNames = 20;
// Findings that wait for the others of their file; with more, a file may be named more than once.
constexpr std::size_t kHeldFindings = 10'000;
constexpr std::string_view kPlain = "\x1b[0m";

std::string_view meaning_of(forensics::Severity severity) {
  switch (severity) {
    case forensics::Severity::loss: return "messages that cannot be read";
    case forensics::Severity::hidden:
      return "messages that are there, but no queue or no right tag leads to them";
    case forensics::Severity::degraded:
      return "nothing unreadable now, but search, speed or the next start suffers";
    case forensics::Severity::benign: return "no harm by itself, or only a consequence of the others";
  }
  return "";
}

std::string_view color_of(forensics::Severity severity) {
  switch (severity) {
    case forensics::Severity::loss: return "\x1b[1;31m";
    case forensics::Severity::hidden: return "\x1b[31m";
    case forensics::Severity::degraded: return "\x1b[33m";
    case forensics::Severity::benign: return "\x1b[2m";
  }
  return "";
}

void list(json::JsonLine& out, std::string_view name, const std::vector<std::string>& items) {
  out.key(name);
  out.begin_array();
  for (const std::string& item : items) out.value(item);
  out.end_array();
}

void text_list(std::string& text, std::string_view title, const std::vector<std::string>& items) {
  if (items.empty()) return;
  fmt::format_to(std::back_inserter(text), "  {} ({}):\n", title, items.size());
  for (std::size_t i = 0; i < items.size() && i < kShownNames; ++i) {
    text += "    ";
    forensics::append_visible(text, items[i]);
    text += '\n';
  }
  if (items.size() > kShownNames)
    fmt::format_to(std::back_inserter(text), "    and {} more\n", items.size() - kShownNames);
}

// Of commit log files also the physical offsets, which rmq-dump msg and --from take.
void append_range(std::string& text, const forensics::Finding& finding) {
  if (finding.length <= 0) return;
  const std::int64_t end = finding.offset + finding.length;
  fmt::format_to(std::back_inserter(text), " [bytes {} to {}", finding.offset, end);
  const std::string_view name = std::string_view(finding.file).substr(finding.file.find_last_of('/') + 1);
  const auto start = format::parse_mapped_file_name(name);
  if (finding.code.starts_with("CL-") && start) {
    fmt::format_to(std::back_inserter(text), ", log offsets {} to {}", *start + finding.offset, *start + end);
  }
  text += ']';
}

std::string verdict_of(const forensics::VerifySummary& summary, std::string_view level) {
  if (summary.cancelled) return "cancelled";
  if (summary.worst != forensics::Severity::benign) {
    return summary.findings.contains("ST-RECOVERY-LOSES")
               ? "problems found, and a stock broker would lose more"
               : "problems found";
  }
  if (summary.read_errors) return "not everything could be read";
  if (summary.clean) return fmt::format("clean at level {}", level);
  if (!summary.unclean_stop) return "not everything was checked";
  // Only from normal on is it known what recovery would do.
  return level == "quick" ? "stopped uncleanly, nothing worse seen at level quick (--level normal asks what "
                            "recovery would lose)"
                          : "stopped uncleanly; a stock broker mends this when it starts";
}

}  // namespace

void VerifyReport::write(std::string_view text) {
  if (wanted_) wanted_ = out_.write(text);
}

void VerifyReport::finding(const forensics::Finding& finding) {
  const forensics::FindingRow* row = forensics::find_finding(finding.code);
  if (to_json_) {
    json_.begin_object();
    json_.field("kind", "finding");
    json_.field("schema", kVerifySchema);
    json_.field("code", finding.code);
    json_.field("severity", forensics::to_string(finding.severity));
    json_.field("file", finding.file);
    if (!finding.expected_file.empty()) json_.field("expectedFile", finding.expected_file);
    json_.field("offset", finding.offset);
    json_.field("length", finding.length);
    text_or_null(json_, "topic", finding.topic);
    number_or_null(json_, "queueId", finding.queue_id);
    number_or_null(json_, "queueOffset", finding.queue_offset);
    json_.field("message", finding.message);
    json_.field("fix", row == nullptr ? std::string_view() : row->fix);
    if (finding.consequences != 0) json_.field("consequences", finding.consequences);
    json_.end_object();
    json_.end_line();
    write(json_.text());
    json_.clear();
    return;
  }
  forensics::Severity& worst = worst_.try_emplace(std::string(finding.code), finding.severity).first->second;
  worst = std::max(worst, finding.severity);
  held_.push_back(finding);
  if (held_.size() == kHeldFindings) write_held();
}

void VerifyReport::write_held() {
  struct Group {
    forensics::Severity worst = forensics::Severity::benign;
    std::vector<const forensics::Finding*> findings;
  };
  std::map<std::string_view, Group> files;
  for (const forensics::Finding& finding : held_) {
    Group& group = files[finding.file];
    group.worst = std::max(group.worst, finding.severity);
    group.findings.push_back(&finding);
  }
  std::vector<Group> groups;
  for (auto& [file, group] : files) groups.push_back(std::move(group));
  std::ranges::sort(groups, [](const Group& a, const Group& b) {
    return a.worst != b.worst ? a.worst > b.worst : a.findings.front()->file < b.findings.front()->file;
  });
  for (const Group& group : groups) {
    std::string text = any_ ? "\n" : "";
    any_ = true;
    const std::string& file = group.findings.front()->file;
    forensics::append_visible(text, file.empty() ? "the store" : file);
    text += '\n';
    for (const forensics::Finding* finding : group.findings) {
      fmt::format_to(std::back_inserter(text), "  {}{:<9}{} {:<20} ",
                     color_ ? color_of(finding->severity) : "", forensics::to_string(finding->severity),
                     color_ ? kPlain : "", finding->code);
      forensics::append_visible(text, finding->message);
      append_range(text, *finding);
      if (finding->consequences != 0) {
        fmt::format_to(std::back_inserter(text), " (explains {} more fault{} in log, queues or index)",
                       finding->consequences, finding->consequences == 1 ? "" : "s");
      }
      text += '\n';
    }
    write(text);
  }
  held_.clear();
}

// What was found and what to do about it, code by code, the worst first.
std::string VerifyReport::advice(const forensics::VerifySummary& summary) const {
  using Severity = forensics::Severity;
  std::string text;
  for (const Severity severity : {Severity::loss, Severity::hidden, Severity::degraded, Severity::benign}) {
    bool first = true;
    for (const auto& [code, count] : summary.findings) {
      const auto worst = worst_.find(code);
      if (worst == worst_.end() || worst->second != severity) continue;
      if (std::exchange(first, false)) {
        fmt::format_to(std::back_inserter(text), "\n{}{}{}: {}\n", color_ ? color_of(severity) : "",
                       forensics::to_string(severity), color_ ? kPlain : "", meaning_of(severity));
      }
      const forensics::FindingRow* row = forensics::find_finding(code);
      if (row == nullptr) continue;
      fmt::format_to(std::back_inserter(text), "  {} {}: {}\n{}", count, code, row->title,
                     wrapped(row->fix, "      "));
    }
  }
  return text.empty() ? text : text + '\n';
}

void VerifyReport::summary(const forensics::VerifySummary& summary, const forensics::LiveSummary* live,
                           std::string_view level, double seconds, int code) {
  if (to_json_) {
    json_.begin_object();
    json_.field("kind", "summary");
    json_.field("schema", kVerifySchema);
    json_.field("clean", summary.clean);
    json_.field("records", summary.records);
    json_.field("bytesChecked", summary.bytes_checked);
    json_.field("bytesExpected", summary.bytes_expected);
    json_.key("findings");
    json_.begin_object();
    for (const auto& [found, count] : summary.findings) {
      json_.any_key(found);
      json_.value(count);
    }
    json_.end_object();
    if (live != nullptr) {
      json_.field("settledTo", live->settled_to);
      json_.field("logEnd", live->log_end);
      json_.field("looks", live->looks);
      json_.field("dismissed", live->dismissed);
      json_.field("unconfirmed", live->unconfirmed);
      json_.field("vanished", live->vanished);
    }
    json_.field("seconds", seconds);
    json_.end_object();
    json_.end_line();
    write(json_.text());
    json_.clear();
    return;
  }
  write_held();
  if (live != nullptr) live_text(*live);
  write(fmt::format("{}{} (exit {}): {} records, {} of {} bytes checked, {:.1f} s\n", advice(summary),
                    verdict_of(summary, level), code, summary.records, summary.bytes_checked,
                    summary.bytes_expected, seconds));
}

void VerifyReport::live_text(const forensics::LiveSummary& live) {
  std::string text =
      fmt::format("looked at up to log offset {}, where the log ended at {}", live.settled_to, live.log_end);
  const auto more = [&](std::int64_t count, std::string_view what) {
    if (count > 0) text += fmt::format("; {} {}", count, what);
  };
  more(live.vanished, "files expired or were deleted meanwhile");
  more(live.dismissed, "suspects were right when looked at again");
  more(live.unconfirmed, "suspects could not be looked at again: run it once more");
  write(text + "\n");
}

void VerifyReport::preflight(const preflight::Preflight& forecast, const scan::StoreSurvey& survey,
                             int code) {
  if (!to_json_) {
    text_forecast(forecast, survey, code);
    return;
  }
  json_.begin_object();
  json_.field("kind", "preflight");
  json_.field("schema", kVerifySchema);
  json_.field("version", forecast.version == preflight::StockVersion::v4_9 ? "4.9" : "5.3");
  json_.field("simulated", forecast.simulated);
  json_.field("abnormal", forecast.abnormal);
  json_.field("starts", forecast.starts);
  text_or_null(json_, "reason", forecast.reason);
  json_.field("minPhyOffset", forecast.min_phy_offset);
  json_.field("maxPhyOffset", forecast.max_phy_offset);
  json_.key("readablePerQueue");
  json_.begin_object();
  for (const preflight::QueueForecast& queue : forecast.queues) {
    json_.any_key(queue.topic + "/" + std::to_string(queue.queue_id));
    json_.value(queue.readable);
  }
  json_.end_object();
  json_.field("messagesLost", forecast.messages_lost);
  json_.field("misplaced", forecast.misplaced);
  list(json_, "filesDestroyed", forecast.files_destroyed);
  list(json_, "queuesTruncated", forecast.queues_truncated);
  list(json_, "indexFilesDeleted", forecast.index_files_deleted);
  json_.key("configLoaded");
  json_.begin_object();
  for (const auto& [file, from] : forecast.config_loaded) {
    json_.any_key(file);
    json_.value(from);
  }
  json_.end_object();
  json_.field("recoveryBytes", forecast.recovery_bytes);
  json_.end_object();
  json_.end_line();
  write(json_.text());
  json_.clear();
}

void VerifyReport::text_forecast(const preflight::Preflight& forecast, const scan::StoreSurvey& survey,
                                 int code) {
  std::string text = fmt::format("If a stock broker {} were started on this store now, after {} stop:\n",
                                 forecast.version == preflight::StockVersion::v4_9 ? "4.9" : "5.3",
                                 forecast.abnormal ? "an unclean" : "a clean");
  const auto out = std::back_inserter(text);
  const auto reason = [&] { forensics::append_visible(text, forecast.reason); };
  const auto count = [&](std::int64_t number) {
    return fmt::format("{}{}{} message{}", color_ && number > 0 ? color_of(forensics::Severity::loss) : "",
                       number, color_ && number > 0 ? kPlain : "", number == 1 ? "" : "s");
  };
  if (!forecast.simulated) {
    text += "  ";
    reason();
    fmt::format_to(out, "\nNot known (exit {}).\n", code);
    write(text);
    return;
  }
  if (!forecast.starts) {
    text += "  it would not start: ";
    reason();
    fmt::format_to(out, "\n  {} that {} intact cannot be read as long as it does not\n",
                   count(forecast.messages_lost), forecast.messages_lost == 1 ? "is" : "are");
  } else {
    std::int64_t readable = 0;
    for (const preflight::QueueForecast& queue : forecast.queues) readable += queue.readable;
    if (forecast.min_phy_offset < 0) {
      text += "  it would start, with an empty log\n";
    } else {
      fmt::format_to(out, "  it would start; the log would reach from {} to {}\n", forecast.min_phy_offset,
                     forecast.max_phy_offset);
    }
    if (!forecast.reason.empty()) {
      text += "  ";
      reason();
      text += '\n';
    }
    fmt::format_to(out, "  {} message{} readable in {} queue{}\n", readable, readable == 1 ? "" : "s",
                   forecast.queues.size(), forecast.queues.size() == 1 ? "" : "s");
    fmt::format_to(out, "  {} lost that {} intact now\n", count(forecast.messages_lost),
                   forecast.messages_lost == 1 ? "is" : "are");
  }
  if (forecast.misplaced > 0) {
    fmt::format_to(out, "  {} readable at another queue offset than {} own\n", count(forecast.misplaced),
                   forecast.misplaced == 1 ? "its" : "their");
  }
  text_list(text, "files destroyed", forecast.files_destroyed);
  text_list(text, "queues truncated", forecast.queues_truncated);
  text_list(text, "index files deleted", forecast.index_files_deleted);
  for (const auto& [file, from] : forecast.config_loaded) {
    const bool exists =
        std::ranges::any_of(survey.config_files, [&name = file](const scan::StoreFile& known) {
          return known.name == name || known.name == name + ".bak";
        });
    if (from == "json" || !exists) continue;
    text += "  ";
    forensics::append_visible(text, file);
    text += from == "bak" ? " would be taken from its .bak\n"
                          : " would be taken as empty: neither it nor its .bak is good\n";
  }
  fmt::format_to(out, "  {} read before it serves\n", forensics::size_text(forecast.recovery_bytes));
  if (!forecast.starts) {
    fmt::format_to(out, "It would not start (exit {}); rmq-verify STORE names what is wrong.\n", code);
  } else if (code != 0) {
    fmt::format_to(
        out, "Do not start it on this store as it is (exit {}); rmq-verify STORE names what is wrong.\n",
        code);
  } else {
    fmt::format_to(out, "Starting it would cost no message that is intact now (exit {}).\n", code);
  }
  write(text);
}

}  // namespace rmq::cli
