#include "tools/cli/compare_command.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <utility>

#include "libstore/forensics/compare.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/settled_store.h"
#include "libstore/json/json_writer.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/json_fields.h"
#include "tools/cli/terminal.h"

namespace rmq::cli {
namespace {

using forensics::CompareSummary;
using forensics::Difference;

constexpr std::int32_t kCompareSchema = 1;

class CompareReport {
 public:
  CompareReport(forensics::OutputFormat format, forensics::ByteSink& out)
      : to_json_(format == forensics::OutputFormat::json), out_(out) {}

  void difference(const Difference& difference) {
    if (to_json_) {
      json_difference(difference);
    } else {
      text_difference(difference);
    }
  }

  void summary(const CompareSummary& summary, double seconds, int code) {
    if (to_json_) {
      json_summary(summary, seconds);
    } else {
      text_summary(summary, seconds, code);
    }
  }

 private:
  void json_difference(const Difference& difference) {
    json_.begin_object();
    json_.field("kind", "difference");
    json_.field("schema", kCompareSchema);
    json_.field("difference", forensics::to_string(difference.kind));
    json_.field("from", difference.from);
    json_.field("to", difference.to);
    number_or_null(json_, "firstByte", difference.first_byte);
    json_.field("messages", difference.messages);
    text_or_null(json_, "topic", difference.topic);
    number_or_null(json_, "queueId", difference.queue_id);
    number_or_null(json_, "queueOffset", difference.queue_offset);
    text_or_null(json_, "uniqKey", difference.uniq_key);
    text_or_null(json_, "msgId", difference.message_id);
    json_.field("message", difference.message);
    write_line();
  }

  void json_summary(const CompareSummary& summary, double seconds) {
    json_.begin_object();
    json_.field("kind", "summary");
    json_.field("schema", kCompareSchema);
    json_.field("equal", summary.equal);
    json_.field("firstBegin", summary.first.begin);
    json_.field("firstEnd", summary.first.end);
    json_.field("secondBegin", summary.second.begin);
    json_.field("secondEnd", summary.second.end);
    number_or_null(json_, "firstDivergence", summary.first_divergence);
    for (const auto& [name, number] : {std::pair{"bytesChecked", summary.bytes_compared},
                                       {"bytesExpected", summary.bytes_expected},
                                       {"ranges", summary.ranges},
                                       {"records", summary.records},
                                       {"onlyFirst", summary.only_first},
                                       {"onlySecond", summary.only_second},
                                       {"damagedFirst", summary.damaged_first},
                                       {"damagedSecond", summary.damaged_second},
                                       {"queues", summary.queues},
                                       {"units", summary.units},
                                       {"unitsChecked", summary.units_compared}}) {
      json_.field(name, number);
    }
    json_.key("config");
    json_.begin_array();
    for (const std::string& name : summary.config) json_.value(name);
    json_.end_array();
    json_.field("seconds", seconds);
    write_line();
  }

  void write_line() {
    json_.end_object();
    json_.end_line();
    (void)out_.write(json_.text());
    json_.clear();
  }

  void text_difference(const Difference& difference) {
    const bool in_range = difference.kind < forensics::DifferenceKind::range;
    std::string text = fmt::format("{}{:<14}", in_range ? "  " : "", forensics::to_string(difference.kind));
    if (difference.kind != forensics::DifferenceKind::queue)
      text += fmt::format(" {} to {}", difference.from, difference.to);
    if (!difference.topic.empty()) {
      text += ' ';
      forensics::append_visible(text, difference.topic);
      text += fmt::format("/{} queue offset {}", difference.queue_id, difference.queue_offset);
    }
    if (!difference.uniq_key.empty()) {
      text += " key ";
      forensics::append_visible(text, difference.uniq_key);
    }
    text += ": ";
    forensics::append_visible(text, difference.message);
    if (in_range && difference.first_byte >= 0)
      text += fmt::format(" [first byte {}]", difference.first_byte);
    (void)out_.write(text + '\n');
  }

  void text_summary(const CompareSummary& summary, double seconds, int code) {
    std::string text = fmt::format("first log [{}, {}), second log [{}, {})\n", summary.first.begin,
                                   summary.first.end, summary.second.begin, summary.second.end);
    for (const std::string& name : summary.config) {
      text += "config/";
      forensics::append_visible(text, name);
      text += " differs, as every broker's own may\n";
    }
    if (summary.first_divergence >= 0) {
      text += fmt::format(
          "first divergence at {}; {} ranges differ: {} records unlike, {} only in the first, {} only in the "
          "second, {} damaged in the "
          "first, {} damaged in the second\n",
          summary.first_divergence, summary.ranges, summary.records, summary.only_first, summary.only_second,
          summary.damaged_first, summary.damaged_second);
    }
    if (summary.queues > 0)
      text += fmt::format("{} units in {} queues differ\n", summary.units, summary.queues);
    const bool same_part = summary.first_divergence < 0 && summary.queues == 0;
    text +=
        fmt::format("{} (exit {}): {} of {} bytes and {} queue units compared, {:.1f} s\n",
                    summary.cancelled     ? "cancelled"
                    : summary.read_errors ? "not everything could be read"
                    : summary.equal       ? "equal"
                    : same_part           ? "equal where both are, but one begins or ends elsewhere"
                                          : "different",
                    code, summary.bytes_compared, summary.bytes_expected, summary.units_compared, seconds);
    (void)out_.write(text);
  }

  bool to_json_;
  forensics::ByteSink& out_;
  json::JsonLine json_;
};

int exit_code(const CompareSummary& summary, const StandardOutput& out) {
  const bool told = summary.first.begin != summary.second.begin || summary.first.end != summary.second.end ||
                    summary.first_divergence >= 0 || summary.queues > 0;
  int code = told ? kExitProblems : kExitClean;
  const bool complete = summary.bytes_compared == summary.bytes_expected || summary.cancelled;
  if (summary.read_errors || !complete || !out.fault().empty()) code |= kExitFault;
  if (summary.cancelled || stop_requested()) code |= kExitCancelled;
  return code;
}

}  // namespace

int run_compare_command(std::string_view program, const CommonOptions& common, const scan::StoreSurvey& first,
                        const scan::StoreSurvey& second, bool live) {
  const ReadingFiles files(common);
  const auto started = std::chrono::steady_clock::now();
  std::unique_ptr<forensics::SettledStore> settled_first;
  std::unique_ptr<forensics::SettledStore> settled_second;
  if (live) {
    RealWaiter waiter;
    for (const auto& [survey, settled] :
         {std::pair{&first, &settled_first}, std::pair{&second, &settled_second}}) {
      auto looked = forensics::SettledStore::look(files.get(), survey->config, {}, waiter);
      if (!looked) {
        complain(program, sentence_of(looked.error()));
        return exit_code_of(looked.error());
      }
      *settled = *std::move(looked);
    }
  }
  const forensics::CompareSide one = live ? forensics::CompareSide{*settled_first, settled_first->survey()}
                                          : forensics::CompareSide{files.get(), first};
  const forensics::CompareSide other = live
                                           ? forensics::CompareSide{*settled_second, settled_second->survey()}
                                           : forensics::CompareSide{files.get(), second};
  StandardOutput out;
  CompareReport report(common.format, out);
  Progress progress(std::string(program), common.progress, 0);
  progress.expect(forensics::compare_bytes_expected(one.survey, other.survey));
  std::atomic<std::int64_t> compared = 0;
  std::atomic<std::int64_t> told = 0;
  forensics::CompareOptions options;
  options.jobs = static_cast<std::size_t>(common.jobs);
  options.progress = &compared;
  options.rocks_queues = !live;
  options.cancelled = [&] {
    const std::int64_t now = compared.load(std::memory_order_relaxed);
    const std::int64_t before = told.exchange(now, std::memory_order_relaxed);
    if (now > before) progress.advance(now - before);
    return stop_requested();
  };
  const auto summary = forensics::run_compare(
      one, other, options, [&](const Difference& difference) { report.difference(difference); });
  progress.finish();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
  report.summary(summary, taken.count(), exit_code(summary, out));
  for (const std::string& fault : summary.faults) complain(program, fault);
  if (!out.fault().empty()) complain(program, out.fault());
  return exit_code(summary, out);
}

}  // namespace rmq::cli
