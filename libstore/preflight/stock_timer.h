// Whether a stock broker's timer keeps it from starting: what it makes of the lengths and names of timerwheel
// and timerlog/. RocketMQ: TimerWheel, TimerLog.load, BrokerController.initializeMessageStore and
// recoverAndInitService. 5.x only.
#pragma once

#include <string>

#include "libstore/preflight/recovery_rules.h"
#include "libstore/scan/store_survey.h"

namespace rmq::preflight {

struct TimerForecast {
  std::string fault;          // why the broker does not start; empty: it does
  bool before_store = false;  // the wheel: then the store is not even loaded
};

[[nodiscard]] TimerForecast forecast_timer(const scan::StoreSurvey& survey, const RecoveryRules& rules);

}  // namespace rmq::preflight
