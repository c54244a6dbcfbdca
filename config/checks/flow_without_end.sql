-- severity: warning
-- message: flow records that end before they begin, or last for more than an hour, today or yesterday
-- log_type: vpc_flow
SELECT p_account, p_region, count(*) AS records, min(p_source_key) AS example
FROM vpc_flow
WHERE p_day >= current_date - 1
  AND ("end" < "start" OR "end" - "start" > INTERVAL 1 HOUR)
GROUP BY p_account, p_region
