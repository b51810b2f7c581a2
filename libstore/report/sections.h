// The parts of the page, top to bottom. Each appends itself to `out`, or nothing where it has nothing to say.
#pragma once

#include <string>

#include "libstore/report/facts.h"
#include "libstore/scan/store_survey.h"

namespace rmq::report {

// How bad it is, in one word for styles and one sentence for people.
struct Verdict {
  enum class Mood { good, uncertain, bad };
  Mood mood = Mood::good;
  std::string headline;
  std::string sentence;
};
[[nodiscard]] Verdict verdict_of(const StoreFacts& facts);

void append_start_forecast(std::string& out, const StoreFacts& facts);
void append_what_to_do(std::string& out, const StoreFacts& facts);
void append_lost(std::string& out, const StoreFacts& facts);
void append_map(std::string& out, const StoreFacts& facts, const scan::StoreSurvey& survey);
void append_findings(std::string& out, const StoreFacts& facts);
void append_traffic(std::string& out, const StoreFacts& facts);
void append_backlog(std::string& out, const StoreFacts& facts);
void append_queues(std::string& out, const StoreFacts& facts);

}  // namespace rmq::report
