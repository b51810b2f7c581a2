// Judges what the log pass saw. A gap between records is a loss; at the end of the log it is one only if a queue or
// the index proves that a message was there, for an unclean stop leaves half a message behind without losing any
// that was acknowledged from the queue's point of view.
#include <fmt/format.h>

#include <algorithm>

#include "libstore/forensics/verify_context.h"

namespace rmq::forensics {
namespace {

std::string_view describe(scan::GapLook look) {
  switch (look) {
    case scan::GapLook::zeros: return "zeros instead of records, as of pages that never reached the disk";
    case scan::GapLook::damaged: return "the remains of a record, but no whole one";
    case scan::GapLook::stale: return "records older than those before them: an earlier recovery cut the log here, and its messages are lost";
    case scan::GapLook::garbage: return "no record, though the log goes on behind it";
    case scan::GapLook::unreadable: return "bytes that the operating system could not read";
  }
  return "?";
}

class LogJudge {
 public:
  explicit LogJudge(VerifyContext& context) : context_(context), log_(*context.log) {}

  void run() {
    for (const LogWound& wound : log_.wounds()) {
      switch (wound.kind) {
        case LogWound::Kind::damage: damage(wound); break;
        case LogWound::Kind::unwritten: unwritten(wound); break;
        case LogWound::Kind::cut_off: (void)fold_into_size(wound); break;
        case LogWound::Kind::missing_file: missing(wound); break;
        case LogWound::Kind::lost_tail: break;
      }
    }
    for (const LogFileReport* report : log_.files()) fields(*report);
  }

 private:
  [[nodiscard]] const LogFileReport& report_of(const LogWound& wound) const { return *log_.files()[wound.file]; }

  [[nodiscard]] static std::string evidence(const LogWound& wound) {
    if (wound.messages == 0) return "";
    return fmt::format("; {} into it, the first is {}", counted(wound.messages, "queue unit leads", "queue units lead"),
                       wound.example);
  }

  Finding& add(std::string_view code, Severity severity, const LogWound& wound, std::int64_t length, std::string message) {
    const LogFileReport& report = report_of(wound);
    Finding& finding = context_.add(code, severity, report.file.file->shown, wound.from - report.file.start, length,
                                    std::move(message) + evidence(wound));
    finding.consequences = wound.messages + wound.index_entries;
    return finding;
  }

  void damage(const LogWound& wound) {
    const LogFileReport& report = report_of(wound);
    const std::int64_t length = wound.to - wound.from;
    const bool evident = wound.messages > 0 || wound.index_entries > 0;
    const bool at_the_end = &report == log_.last_with_records() && wound.to - report.file.start > report.data_end;
    const bool file_ends_here = wound.to == report.file.start + report.file.file->size;
    if (file_ends_here && report.file.file->size < log_.file_size() && fold_into_size(wound)) return;
    if (wound.damage.look == scan::GapLook::unreadable) {
      context_.summary.read_errors = true;
      add("CL-UNREADABLE", Severity::loss, wound, length, "could not be read: copy the disk before you do anything else");
    } else if (wound.damage.kind == LogDamage::Kind::zeroed_text) {
      add("CL-DAMAGED", Severity::loss, wound, length, "zero bytes in the record's topic or properties: part of it was never written");
    } else if (wound.damage.kind == LogDamage::Kind::bad_port) {
      add("CL-PORT", Severity::loss, wound, length, "an address in the record has no possible port: a stock broker cannot decode it");
    } else if (wound.damage.kind == LogDamage::Kind::body_crc) {
      add("CL-BODY-CRC", Severity::loss, wound, length, "the body does not match its CRC; a stock broker delivers it all the same");
    } else if (wound.damage.kind == LogDamage::Kind::property_crc) {
      add("CL-PROPERTY-CRC", Severity::loss, wound, length, "the record does not match its __CRC32# property");
    } else if (wound.damage.look == scan::GapLook::stale && !evident) {
      if (!context_.at_least(VerifyLevel::paranoid)) return;
      add("CL-STALE", Severity::benign, wound, length,
          fmt::format("{} from before a truncation, which stock brokers do not zero",
                      counted(wound.damage.records, "old record", "old records")));
    } else if (at_the_end && !evident) {
      const bool crashed = context_.survey.abort.has_value();
      add("CL-TORN", crashed ? Severity::benign : Severity::degraded, wound, length,
          context_.survey.single_file ? "no whole message, and no other behind it: half a message at the log's end, or damage; the "
                                        "rest of the store would tell"
          : crashed ? "a message half written when the broker stopped; no queue knows it"
                    : "a message half written at the end of the log, though the broker says it stopped cleanly");
    } else {
      add(at_the_end ? "CL-TORN" : "CL-DAMAGED", Severity::loss, wound, length,
          std::string(describe(wound.damage.look)));
    }
  }

  void unwritten(const LogWound& wound) {
    const LogFileReport& report = report_of(wound);
    if (report.file.file->size < log_.file_size() && fold_into_size(wound)) return;
    if (wound.from == report.file.start) {
      add("CL-ZERO-FILE", Severity::loss, wound, wound.to - wound.from, "nothing but zeros, though the log goes on behind it");
    } else if (wound.messages > 0 || wound.index_entries > 0) {
      add("CL-DAMAGED", Severity::loss, wound, std::max(wound.evidence_end - wound.from, std::int64_t{format::kBlankSize}),
          "zeros where records were");
    } else {
      add("CL-BLANK", Severity::degraded, wound, format::kBlankSize,
          "the BLANK record that ends the file is missing: after the next unclean stop a stock broker cuts the log here");
    }
  }

  void missing(const LogWound& wound) {
    const std::int64_t size = log_.file_size() > 0 ? log_.file_size() : wound.to - wound.from;
    constexpr std::int64_t kNamed = 1000;
    for (std::int64_t from = wound.from, n = 0; from < wound.to && n < kNamed; from += size, ++n) {
      const bool last = n + 1 == kNamed;
      Finding& finding = context_.add("CL-MISSING", Severity::loss, context_.log_file_shown(from), 0,
                                      std::min(size, wound.to - from),
                                      fmt::format("a commit log file between others is missing{}{}", evidence(wound),
                                                  last ? fmt::format(" (and more, up to {})", wound.to) : ""));
      finding.consequences = wound.messages + wound.index_entries;
    }
  }

  // What the wrong length of a file explains is told there.
  bool fold_into_size(const LogWound& wound) {
    const std::string& shown = report_of(wound).file.file->shown;
    for (Finding& finding : context_.findings) {
      if (finding.code != "CL-SIZE" || finding.file != shown) continue;
      finding.severity = std::max(finding.severity, Severity::loss);
      finding.consequences += wound.messages + wound.index_entries;
      return true;
    }
    return false;
  }

  void fields(const LogFileReport& report) {
    for (const FieldDamage& field : report.own_offsets) {
      context_.add("CL-OFFSET-FIELD", Severity::degraded, report.file.file->shown, field.position, field.length,
                   fmt::format("the record at {} says its physical offset is {}", report.file.start + field.position,
                               field.stored));
    }
    for (const FieldDamage& field : report.queue_offsets) {
      // Where a queue unit leads to the record, verify_queues has told what the field should be.
      const bool told = std::ranges::any_of(context_.findings, [&](const Finding& finding) {
        return finding.code == "CL-FIELD" && finding.file == report.file.file->shown && finding.offset == field.position;
      });
      if (told) continue;
      context_.add("CL-FIELD", Severity::hidden, report.file.file->shown, field.position, field.length,
                   fmt::format("the record says queue offset {}, which no queue can have: a field of its header is damaged",
                               field.stored));
    }
    if (report.placeholders + report.fillers > 0) {
      context_.add("CL-PLACEHOLDER", Severity::benign, report.file.file->shown, report.first_stand_in,
                   report.stand_ins_end - report.first_stand_in,
                   fmt::format("{} and {} stand where messages were lost, since an earlier recovery or repair",
                               counted(report.placeholders, "placeholder", "placeholders"),
                               counted(report.fillers, "filler", "fillers")));
    }
    if (context_.at_least(VerifyLevel::paranoid) && report.time_regressions > 0) {
      context_.add("CL-TIME-ORDER", Severity::benign, report.file.file->shown, report.first_regression, 0,
                   fmt::format("{} older than the record before it: the clock went back",
                               counted(report.time_regressions, "record is", "records are")));
    }
    if (report.dropped > 0) {
      context_.add("CL-MORE", Severity::degraded, report.file.file->shown, 0, report.file.file->size,
                   fmt::format("{} further details of this file are left out", report.dropped));
    }
  }

  VerifyContext& context_;
  LogMap& log_;
};

}  // namespace

void verify_log(VerifyContext& context) { LogJudge(context).run(); }

}  // namespace rmq::forensics
