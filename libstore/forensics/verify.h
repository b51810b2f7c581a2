// Judges a store: looks at everything a level covers and reports what is wrong, one finding a cause. Of a single file
// (StoreSurvey::single_file) only what it says by itself: not whether log, queues and index agree.
// Reads only, in bounded memory; safe beside a running broker (but see VerifySummary::live).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "libstore/forensics/finding.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::forensics {

enum class VerifyLevel {
  quick,     // names, sizes, continuity, state files, file tails
  normal,    // + every record header, commit log and consume queues both ways, checkpoint, config files
  deep,      // + every body's CRC, property CRC, index chains, hashes and entries
  paranoid,  // + stale generations in tails and holes, order of store times
};

struct VerifyOptions {
  VerifyLevel level = VerifyLevel::normal;
  std::size_t jobs = 1;
  std::function<bool()> cancelled;                  // asked often, from any thread
  std::atomic<std::int64_t>* progress = nullptr;    // bytes looked at so far
  // A broker writes on: state files may be ahead of what is shown of the queues, and RocksDB holds back what came last.
  bool running = false;
  std::function<bool(std::string_view code)> wanted;  // --only, --skip; empty: all codes
};

struct VerifySummary {
  bool clean = false;  // nothing above benign, stopped cleanly, everything looked at
  std::int64_t records = 0;
  std::int64_t bytes_checked = 0;
  std::int64_t bytes_expected = 0;  // what the level covers
  std::map<std::string, std::int64_t, std::less<>> findings;  // by code
  Severity worst = Severity::benign;
  bool unclean_stop = false;  // the abort file is there
  bool read_errors = false;
  std::vector<std::string> faults;  // which files could not be read, and why: the first of them
  bool cancelled = false;
};

// How many bytes run_verify will look at, the index and the smaller parts left out: for a progress bar.
[[nodiscard]] std::int64_t verify_bytes_expected(const scan::StoreSurvey& survey, VerifyLevel level);

// Findings are handed to `sink` from the calling thread, in the order log, queues, index, state.
[[nodiscard]] VerifySummary run_verify(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                       const VerifyOptions& options, const FindingSink& sink);

}  // namespace rmq::forensics
