#include "libstore/preflight/preflight.h"

#include <algorithm>

#include "libstore/preflight/file_pool.h"
#include "libstore/preflight/readability.h"
#include "libstore/preflight/recovery.h"
#include "libstore/preflight/recovery_rules.h"
#include "libstore/preflight/stock_config.h"
#include "libstore/preflight/stock_timer.h"

namespace rmq::preflight {
namespace {

// The kinds of store whose start is not simulated; nullptr for the others.
const char* not_simulated(const scan::StoreSurvey& survey, StockVersion version) {
  if (survey.commit_log_is_dledger || survey.config.dledger)
    return "a DLedger store's start is not simulated";
  if (version == StockVersion::v5_3 && (survey.config.rocksdb_store || survey.consume_queue_is_rocksdb)) {
    return "the start of a store with RocksDB queues is not simulated";
  }
  return nullptr;
}

Result<format::StoreCheckpoint> read_checkpoint(const io::ReadFileSystem& files,
                                                const scan::StoreSurvey& survey) {
  if (!survey.checkpoint) return format::StoreCheckpoint{};
  auto file = files.open(survey.checkpoint->path);
  if (!file) return std::move(file).error();
  std::array<std::byte, format::kCheckpointFileSize> bytes{};
  auto got = (*file)->read_at(0, bytes);
  if (!got) return std::move(got).error();
  return format::StoreCheckpoint::read(bytes);
}

void report_changes(const Recovery& recovery, Preflight& into) {
  into.min_phy_offset = recovery.log().min_offset();
  into.max_phy_offset = recovery.log().max_offset();
  into.index_files_deleted = recovery.deleted_index_files();
  into.recovery_bytes = recovery.bytes_read();
  into.files_destroyed = recovery.log().destroyed;
  for (const auto& queue : recovery.queues().queues()) {
    std::visit(
        [&](const auto& kind) {
          std::ranges::copy(kind.destroyed_files(), std::back_inserter(into.files_destroyed));
          if (kind.was_truncated()) {
            into.queues_truncated.push_back(queue->topic + "/" + std::to_string(queue->queue_id));
          }
        },
        queue->kind);
  }
  std::ranges::sort(into.files_destroyed);
  std::ranges::sort(into.queues_truncated);
}

}  // namespace

Result<Preflight> run_preflight(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                const PreflightOptions& options) {
  const RecoveryRules& rules = rules_of(options.version);
  Preflight forecast;
  forecast.version = options.version;
  forecast.abnormal = options.assume_abort.value_or(survey.abort.has_value());
  ConfigForecast config = forecast_config(files, survey, rules);
  if (config.fault) return *config.fault;
  forecast.config_loaded = std::move(config.loaded);
  if (const char* why = not_simulated(survey, options.version)) {
    forecast.simulated = false;
    forecast.reason = why;
    return forecast;
  }

  FilePool pool(files, options);
  RMQ_TRY(checkpoint, read_checkpoint(files, survey));
  Recovery recovery(rules, survey, config.topics, pool);
  const TimerForecast timer = forecast_timer(survey, rules);
  const bool config_fails_first = !config.failed.empty() && !config.failed_after_store;
  const bool timer_fails_first = !timer.fault.empty() && timer.before_store;
  if (config_fails_first || timer_fails_first) {
    forecast.starts = false;
  } else {
    forecast.starts = recovery.run(files, forecast.abnormal, checkpoint);
    if (!forecast.starts) forecast.reason = recovery.reason();
    report_changes(recovery, forecast);
  }
  if (!timer.fault.empty() && forecast.reason.empty() && !config_fails_first) {
    forecast.starts = false;
    forecast.reason = timer.fault;
  } else if (!config.failed.empty() && forecast.reason.empty()) {
    forecast.starts = false;
    forecast.reason = "neither " + config.failed + " nor its .bak can be read as what it should be";
  }
  pool.report();
  if (pool.fault()) return *pool.fault();

  Readability readability(rules, survey, config.topics, recovery.log(), recovery.queues(), pool);
  if (!forecast.starts) readability.nothing_is_readable();
  if (options.count_messages) {
    if (auto counted = readability.count_messages(files); !counted) return std::move(counted).error();
  }
  readability.count_queues(forecast);
  pool.report();
  if (pool.fault()) return *pool.fault();
  return forecast;
}

}  // namespace rmq::preflight
